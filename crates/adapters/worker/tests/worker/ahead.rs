//! Tests of jobs that are claimed before there is a slot for them.

use futures::FutureExt;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tenantry_jobs::Done;
use tenantry_worker::{Handlers, WorkerConfig};

use crate::{
    kinds::{Does, Errand},
    shop::{Shop, config},
};

const PLACES: usize = 3;
const LONG: &str = "jobs WHERE payload LIKE '%long%'";

/// Ends short jobs at once and long ones never, and counts the long ones that have begun.
fn counting(begun: &Arc<AtomicUsize>) -> Handlers {
    let begun = begun.clone();
    Handlers::new().with::<Errand>(Does(move |errand: Errand, _| {
        let begun = begun.clone();
        async move {
            if errand.to == "long" {
                begun.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            Ok(Done::Outside)
        }
        .boxed()
    }))
}

async fn until(holds: impl AsyncFn() -> bool) {
    let holds = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), holds).await.unwrap();
}

/// After short jobs a worker expects the next to be short as well, and claims more than it has places for.
async fn enqueue_long_after_short(shop: &Shop) {
    for to in ["short", "long"] {
        shop.enqueue(&[(); 2 * PLACES].map(|()| shop.job(&Errand::to(to)))).await;
        // Those of the same millisecond are in no order.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn until_more_are_claimed_than_run(shop: &Shop) {
    let claimed = format!("{LONG} AND state = 'running'");
    until(async || shop.count(&claimed).await > 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_claimed_too_early_is_returned_unattempted_and_runs_elsewhere() {
    let shop = Shop::open().await;
    let config = WorkerConfig { lease: Duration::from_secs(8), heartbeat: Duration::from_secs(2), ..config() };
    let (first, other) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    enqueue_long_after_short(&shop).await;
    let first_worker = shop.work_by(shop.line(), counting(&first), Vec::new(), config.clone());
    until(async || first.load(Ordering::SeqCst) == PLACES).await;
    until_more_are_claimed_than_run(&shop).await;

    let other_worker = shop.work_by(shop.line(), counting(&other), Vec::new(), config);
    until(async || other.load(Ordering::SeqCst) == PLACES).await;
    assert_eq!(first.load(Ordering::SeqCst), PLACES, "no more run than there are places");
    let untouched = format!("{LONG} AND state = 'running' AND attempt = 1");
    assert_eq!(shop.count(&untouched).await, 6, "that it waited costs it no try");
    first_worker.end().await;
    other_worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fa10_a_stopping_worker_returns_waiting_jobs_at_once() {
    let shop = Shop::open().await;
    let config = WorkerConfig { lease: Duration::from_secs(80), heartbeat: Duration::from_secs(20), ..config() };
    let begun = Arc::new(AtomicUsize::new(0));
    enqueue_long_after_short(&shop).await;
    let working = shop.work_by(shop.line(), counting(&begun), Vec::new(), config);
    until(async || begun.load(Ordering::SeqCst) == PLACES).await;
    until_more_are_claimed_than_run(&shop).await;
    working.stop.cancel();
    shop.comes_to(3, &format!("{LONG} AND state = 'ready' AND attempt = 0")).await;
    let running = format!("{LONG} AND state = 'running' AND attempt = 1");
    assert_eq!(shop.count(&running).await, 3, "what runs may end");
    working.end().await;
}
