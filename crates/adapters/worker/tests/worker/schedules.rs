//! Tests of schedules with several workers.

use futures::FutureExt;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tenantry_jobs::{Done, Schedule};
use tenantry_testkit::context::{moment, test_context};
use tenantry_worker::Handlers;

use crate::{
    kinds::{Does, Errand},
    shop::{Shop, config},
};

#[tokio::test(flavor = "multi_thread")]
async fn fa12_of_two_workers_one_fires_each_tick() {
    const MINUTE: Duration = Duration::from_secs(60);
    /// Each worker checks schedules once a second.
    const BOTH_HAVE_LOOKED: Duration = Duration::from_millis(2_500);
    let (context, clock) = test_context();
    let at = |minutes: u32| moment(1_795_430_100_000).plus(MINUTE * minutes).plus(Duration::from_millis(7));
    clock.set(at(0));
    let shop = Shop::open_by(context.clone()).await;
    let ran = Arc::new(AtomicUsize::new(0));
    let work = || {
        let ran = ran.clone();
        let handlers = Handlers::new().with::<Errand>(Does(move |_: Errand, _| {
            ran.fetch_add(1, Ordering::SeqCst);
            async { Ok(Done::Outside) }.boxed()
        }));
        let cron = "*/5 * * * *".parse().unwrap();
        let schedule = Schedule::of(&context, "sweep", cron, &Errand::to("every corner")).unwrap();
        shop.work_by(shop.line(), handlers, vec![schedule], config())
    };
    let workers = [work(), work()];
    shop.comes_to(1, "schedule_ticks").await;
    // Forwards, far forwards, backwards, and to the earlier time.
    for (minutes, expected) in [(4, 0), (5, 1), (6, 1), (121, 2), (7, 2), (122, 2), (126, 3)] {
        clock.set(at(minutes));
        tokio::time::sleep(BOTH_HAVE_LOOKED).await;
        shop.comes_to(i64::try_from(expected).unwrap(), "jobs WHERE state = 'completed'").await;
        assert_eq!(ran.load(Ordering::SeqCst), expected, "at {minutes} minutes");
    }
    assert_eq!(shop.count("jobs").await, 3);
    for worker in workers {
        worker.end().await;
    }
}
