//! A worker keeps iterating and calls its pulse even while its store fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tenantry_worker::{Handlers, Worker};

use crate::shop::{Shop, config};

/// Here a worker rests for at most 50 ms.
const WHILE: Duration = Duration::from_millis(500);
const TICKS: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn fa4_a_worker_without_a_store_keeps_ticking() {
    let shop = Shop::open().await;
    let ticks = Arc::new(AtomicU32::new(0));
    let line = shop.line();
    let worker =
        Worker::new(line.clone(), shop.context.clone(), shop.bell.clone(), Handlers::new(), Vec::new(), config());
    let working = shop.start(worker.with_pulse({
        let ticks = ticks.clone();
        move || {
            ticks.fetch_add(1, Ordering::Relaxed);
        }
    }));
    for is_cut in [false, true, false] {
        line.cut(is_cut);
        let before = ticks.load(Ordering::Relaxed);
        tokio::time::sleep(WHILE).await;
        let ticked = ticks.load(Ordering::Relaxed) - before;
        assert!(ticked >= TICKS, "{ticked} ticks with the store cut off: {is_cut}");
    }
    working.end().await;
    let at_the_end = ticks.load(Ordering::Relaxed);
    tokio::time::sleep(WHILE).await;
    assert_eq!(ticks.load(Ordering::Relaxed), at_the_end, "a worker that has ended says nothing more");
}
