//! A wake-up makes a worker poll at once; without one the worker finds its jobs too.

use futures::FutureExt;
use std::time::Duration;
use tenantry_jobs::{Done, WakeUp};
use tenantry_worker::{Handlers, WorkerConfig};

use crate::{
    kinds::{Does, Errand},
    shop::{Shop, config},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_starts_a_job_at_once_and_the_next_look_finds_it_without() {
    const LOOK: Duration = Duration::from_secs(4);
    let shop = Shop::open().await;
    let config = WorkerConfig { shortest_poll: LOOK, longest_poll: LOOK, ..config() };
    let handlers = Handlers::new().with::<Errand>(Does(|_: Errand, _| async { Ok(Done::Outside) }.boxed()));
    let working = shop.work_by(shop.line(), handlers, Vec::new(), config);
    tokio::time::sleep(Duration::from_millis(500)).await;
    shop.enqueue(&[shop.job(&Errand::to("somebody in a hurry"))]).await;
    shop.bell.call();
    let took = shop.comes_to(1, "jobs WHERE state = 'completed'").await;
    assert!(took < LOOK / 2, "with a call: {took:?}");
    shop.enqueue(&[shop.job(&Errand::to("somebody else"))]).await;
    let took = shop.comes_to(2, "jobs WHERE state = 'completed'").await;
    assert!(took > LOOK / 4 && took < 2 * LOOK, "without one: {took:?}");
    working.end().await;
}
