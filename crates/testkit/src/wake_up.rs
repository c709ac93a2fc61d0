//! What every way of waking workers promises.

use std::time::Duration;
use tenantry_jobs::WakeUp;
use tokio::time::timeout;

const ARRIVES: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(100);

/// Tries one, where no call comes from elsewhere but through `other`, which stands for another process. `None` where
/// there is no other.
pub async fn contract(one: &dyn WakeUp, other: Option<&dyn WakeUp>) {
    a_call_is_not_lost_and_many_are_one_or_two(one).await;
    if let Some(other) = other {
        let called = async {
            loop {
                other.call();
                if timeout(AGAIN, one.called()).await.is_ok() {
                    return;
                }
            }
        };
        timeout(ARRIVES, called).await.expect("a call from elsewhere is heard");
    }
}

async fn a_call_is_not_lost_and_many_are_one_or_two(wake_up: &dyn WakeUp) {
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
