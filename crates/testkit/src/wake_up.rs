//! Contract of every adapter that wakes workers. The suite takes two handles; the second may belong to another process.
//! No other caller sends wake-ups.

use std::{sync::Arc, time::Duration};
use tenantry_jobs::WakeUp;
use tokio::time::timeout;

const ARRIVES: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(100);

suite! {
    wake_up(handles: [Arc<dyn WakeUp>; 2]) calls (&*handles[0], &*handles[1]) {
        a_call_is_not_lost_and_many_are_one_or_two,
        a_call_by_another_handle_is_heard,
    }
}

async fn a_call_by_another_handle_is_heard(one: &dyn WakeUp, other: &dyn WakeUp) {
    let called = async {
        loop {
            other.call();
            if timeout(AGAIN, one.called()).await.is_ok() {
                return;
            }
        }
    };
    timeout(ARRIVES, called).await.expect("a call from another process is received");
}

async fn a_call_is_not_lost_and_many_are_one_or_two(wake_up: &dyn WakeUp, _: &dyn WakeUp) {
    wake_up.call();
    timeout(ARRIVES, wake_up.called()).await.expect("a call before the waiting counts");
    for _ in 0..1000 {
        wake_up.call();
    }
    let mut wakings = 0;
    while timeout(AGAIN, wake_up.called()).await.is_ok() {
        wakings += 1;
        assert!(wakings < 20, "calls in quick succession are not coalesced");
    }
    assert!(wakings > 0, "a call was lost");
}
