//! Tests of workers whose reports do not reach the store.

use futures::FutureExt;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tenantry_jobs::{Done, JobFailure, NewJob};
use tenantry_worker::Handlers;
use tokio::sync::Notify;

use crate::{
    kinds::{Does, Errand, Receipt},
    shop::{Shop, config},
};

/// Set when the future that holds it is dropped before its end.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn quick() -> Handlers {
    Handlers::new().with::<Errand>(Does(|_: Errand, _| async { Ok(Done::Outside) }.boxed()))
}

#[tokio::test(flavor = "multi_thread")]
async fn fa7_a_worker_that_gives_word_keeps_a_job_beyond_its_first_lease() {
    let shop = Shop::open().await;
    let slow = shop.work(Handlers::new().with::<Errand>(Does(|_: Errand, _| {
        async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok(Done::Outside)
        }
        .boxed()
    })));
    shop.enqueue(&[shop.job(&Errand::to("somebody slow"))]).await;
    shop.comes_to(1, "jobs WHERE state = 'running'").await;
    let other = shop.work(quick());
    shop.comes_to(1, "jobs WHERE state = 'completed'").await;
    assert_eq!(shop.count("jobs WHERE attempt = 1").await, 1);
    slow.end().await;
    other.end().await;
}

/// The handler ends while the store is unreachable, and it still runs when its worker learns that the lease is lost.
#[tokio::test(flavor = "multi_thread")]
async fn fa7_the_word_of_a_worker_that_was_cut_off_is_refused() {
    for ends_while_cut_off in [true, false] {
        let shop = Shop::open().await;
        let (line, goes_on, has_ended) = (shop.line(), Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let handlers = Handlers::new().with::<Errand>(Does({
            let (goes_on, has_ended) = (goes_on.clone(), has_ended.clone());
            move |_: Errand, _| {
                let (goes_on, dropped) = (goes_on.clone(), Dropped(has_ended.clone()));
                async move {
                    let _dropped = dropped;
                    goes_on.notified().await;
                    Err(JobFailure::permanent("what came too late"))
                }
                .boxed()
            }
        }));
        let late = shop.work_by(line.clone(), handlers, Vec::new(), config());
        shop.enqueue(&[shop.job(&Errand::to("somebody"))]).await;
        shop.comes_to(1, "jobs WHERE state = 'running' AND attempt = 1").await;
        line.cut(true);
        let other = shop.work(quick());
        shop.comes_to(1, "jobs WHERE state = 'completed' AND attempt = 2").await;
        if ends_while_cut_off {
            goes_on.notify_one();
            while !has_ended.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert_eq!(has_ended.load(Ordering::SeqCst), ends_while_cut_off);
        line.cut(false);
        // The first worker works again: its slots are free, and it is the only worker.
        other.end().await;
        while !has_ended.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let more = [(); 3].map(|()| shop.job(&Errand::to("somebody else")));
        goes_on.notify_waiters();
        shop.enqueue(&more).await;
        shop.comes_to(3, "jobs WHERE state = 'running' AND attempt = 1").await;
        assert_eq!(shop.count("jobs WHERE state = 'completed' AND attempt = 2 AND last_error IS NULL").await, 1);
        assert_eq!(shop.deaths("errand").await, 0, "{ends_while_cut_off}");
        late.end().await;
    }
}

/// Every way in which a job can become a dead letter.
#[tokio::test(flavor = "multi_thread")]
async fn fa8_every_death_is_an_event() {
    let shop = Shop::open().await;
    let fails = shop.job(&Errand::to("nobody"));
    let permanent = shop.job(&Errand::to("hell"));
    let unreadable = shop.job(&Errand::to("a row that is broken"));
    let abandoned = NewJob { max_attempts: 1, ..shop.job(&Errand::to("somebody who never came")) };
    shop.enqueue(&[fails.clone(), permanent.clone(), unreadable.clone(), abandoned.clone(), shop.job(&Receipt {})])
        .await;
    let of = |job: &NewJob| format!("id = X'{}'", job.id.uuid().simple());
    shop.execute(&format!("UPDATE jobs SET max_attempts = 4294967296 WHERE {}", of(&unreadable))).await;
    let lease = "state = 'running', attempt = 1, lease_token = id, lease_expires_at = created_at";
    shop.execute(&format!("UPDATE jobs SET {lease} WHERE {}", of(&abandoned))).await;
    let working = shop.work(Handlers::new().with::<Errand>(Does(|errand: Errand, _| {
        async move {
            Err(if errand.to == "hell" { JobFailure::permanent("no way") } else { JobFailure::retry("no luck") })
        }
        .boxed()
    })));
    shop.comes_to(4, "jobs WHERE state = 'dead'").await;
    for (job, error) in
        [(&fails, "no luck"), (&permanent, "no way"), (&unreadable, "%max_attempts%"), (&abandoned, "%lease%")]
    {
        let dead = format!("jobs WHERE {} AND state = 'dead' AND last_error LIKE '{error}'", of(job));
        assert_eq!(shop.count(&dead).await, 1, "{error}");
        let event = format!("journal WHERE action = 'job.died' AND target_id = X'{}'", job.id.uuid().simple());
        assert_eq!(shop.count(&event).await, 1, "{error}");
    }
    assert_eq!(shop.deaths("errand").await, 4);
    working.end().await;
}
