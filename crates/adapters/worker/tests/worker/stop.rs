//! Tests of a worker that is told to stop.

use futures::FutureExt;
use std::time::{Duration, Instant};
use tenantry_jobs::Done;
use tenantry_worker::{Handlers, WorkerConfig};

use crate::{
    kinds::{Does, Errand},
    shop::{Shop, config},
};

#[tokio::test(flavor = "multi_thread")]
async fn fa10_a_stopping_worker_ends_what_it_can_and_hands_back_the_rest() {
    const SHORT: Duration = Duration::from_millis(600);
    const LEASE: Duration = Duration::from_secs(3);
    let shop = Shop::open().await;
    // Long enough that a busy machine does not let it expire.
    let config = WorkerConfig { lease: LEASE, ..config() };
    let handlers = Handlers::new().with::<Errand>(Does(|errand: Errand, _| {
        let span = if errand.to == "short" { SHORT } else { Duration::from_secs(600) };
        async move {
            tokio::time::sleep(span).await;
            Ok(Done::Outside)
        }
        .boxed()
    }));
    let working = shop.work_by(shop.line(), handlers, Vec::new(), config);
    shop.enqueue(&["short", "long", "long"].map(|to| shop.job(&Errand::to(to)))).await;
    shop.comes_to(3, "jobs WHERE state = 'running'").await;
    working.stop.cancel();
    shop.enqueue(&[shop.job(&Errand::to("late"))]).await;
    // Longer than a lease, so that the jobs it waits for must still be its own.
    shop.comes_to(1, "jobs WHERE state = 'completed'").await;
    tokio::time::sleep(LEASE + Duration::from_millis(500)).await;
    assert_eq!(shop.count("jobs WHERE state = 'running' AND attempt = 1").await, 2, "it has patience");
    assert_eq!(shop.count("jobs WHERE state = 'ready' AND attempt = 0").await, 1, "it takes no more");
    working.hand_back.cancel();
    let asked = Instant::now();
    working.task.await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(shop.count("jobs WHERE state = 'ready' AND attempt = 0").await, 3, "nothing of it is spent");
    assert_eq!(shop.count("jobs WHERE lease_token IS NOT NULL").await, 0);

    let next = shop.work(Handlers::new().with::<Errand>(Does(|_: Errand, _| async { Ok(Done::Outside) }.boxed())));
    shop.comes_to(4, "jobs WHERE state = 'completed' AND attempt = 1").await;
    next.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_nothing_to_do_stops_at_once() {
    let shop = Shop::open().await;
    let working = shop.work(Handlers::new());
    tokio::time::sleep(Duration::from_millis(200)).await;
    working.stop.cancel();
    tokio::time::timeout(Duration::from_secs(1), working.task).await.unwrap().unwrap();
}
