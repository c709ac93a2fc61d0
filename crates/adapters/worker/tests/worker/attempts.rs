//! Tests of the outcomes of an attempt.

use futures::FutureExt;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tenantry_jobs::{Done, JobFailure, JobQueue, NewJob, SealedSecret};
use tenantry_worker::{Handlers, JobStore};

use crate::{
    kinds::{Brief, Does, Errand, Parcel, Receipt},
    shop::Shop,
};

/// The result of every job except those that a test treats differently.
fn done() -> Result<Done, JobFailure> {
    Ok(Done::Outside)
}

#[tokio::test(flavor = "multi_thread")]
async fn fa8_a_panic_costs_a_try_and_nothing_else() {
    let shop = Shop::open().await;
    let working = shop.work(Handlers::new().with::<Errand>(Does(|errand: Errand, of: tenantry_jobs::JobAttempt| {
        async move {
            assert!(errand.to != "never", "as it was made to");
            assert!(errand.to != "the third time" || of.job.attempt == 3, "as it was made to");
            done()
        }
        .boxed()
    })));
    shop.enqueue(&["never", "the third time", "at once", "at once"].map(|to| shop.job(&Errand::to(to)))).await;
    shop.comes_to(3, "jobs WHERE state = 'completed'").await;
    shop.comes_to(1, "jobs WHERE state = 'dead' AND attempt = 3 AND last_error = 'it panicked'").await;
    assert_eq!(shop.count("jobs WHERE state = 'completed' AND attempt = 3 AND last_error IS NULL").await, 1);
    assert_eq!(shop.count("jobs WHERE state = 'completed' AND attempt = 1").await, 2);
    assert_eq!(shop.deaths("errand").await, 1);
    working.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_ends_at_the_time_limit_of_its_kind() {
    let shop = Shop::open().await;
    let longer = Brief::LIMIT * 2;
    let handlers = Handlers::new()
        .with::<Brief>(Does(move |_: Brief, _| {
            async move {
                tokio::time::sleep(longer).await;
                done()
            }
            .boxed()
        }))
        .with::<Errand>(Does(move |_: Errand, _| {
            async move {
                tokio::time::sleep(longer).await;
                done()
            }
            .boxed()
        }));
    let working = shop.work(handlers);
    shop.enqueue(&[shop.job(&Brief {}), shop.job(&Errand::to("somebody slow"))]).await;
    let late = "kind = 'brief' AND state = 'dead' AND attempt = 3 AND last_error = 'it exceeded its time limit'";
    let took = shop.comes_to(1, &format!("jobs WHERE {late}")).await;
    assert!(took >= 3 * Brief::LIMIT, "{took:?}");
    shop.comes_to(1, "jobs WHERE kind = 'errand' AND state = 'completed' AND attempt = 1").await;
    assert_eq!(shop.deaths("brief").await, 1);
    working.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fa8_a_payload_that_cannot_be_read_is_discarded() {
    let shop = Shop::open().await;
    let ran = Arc::new(AtomicUsize::new(0));
    let working = shop.work(Handlers::new().with::<Errand>(Does({
        let ran = ran.clone();
        move |_: Errand, _| {
            ran.fetch_add(1, Ordering::SeqCst);
            async { done() }.boxed()
        }
    })));
    let expires_at = shop.context.now().plus(Duration::from_secs(3_600));
    let secret = Some(SealedSecret { key_id: "k1".to_owned(), bytes: vec![7; 40], expires_at });
    let good = || NewJob { secret: secret.clone(), ..shop.job(&Errand::to("somebody")) };
    shop.enqueue(&[
        NewJob { payload: "{".to_owned(), ..good() },
        NewJob { payload: r#"{"for":"somebody"}"#.to_owned(), ..good() },
        NewJob { version: 0, ..good() },
        good(),
    ])
    .await;
    shop.comes_to(
        3,
        "jobs WHERE state = 'dead' AND attempt = 1 AND secret IS NOT NULL AND last_error LIKE '%payload%'",
    )
    .await;
    shop.comes_to(1, "jobs WHERE state = 'completed'").await;
    assert_eq!((ran.load(Ordering::SeqCst), shop.deaths("errand").await), (1, 3));
    working.end().await;
}

/// A newer program may have enqueued the jobs, and may be there to run them.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_only_a_newer_program_can_run_are_left_to_it_untried() {
    let shop = Shop::open().await;
    let expires_at = shop.context.now().plus(Duration::from_secs(3_600));
    let secret = Some(SealedSecret { key_id: "k1".to_owned(), bytes: vec![7; 40], expires_at });
    let newer = |job: NewJob| NewJob { secret: secret.clone(), max_attempts: 1, ..job };
    let older_program = || Handlers::new().with::<Errand>(Does(|_: Errand, _| async { done() }.boxed()));
    let first = shop.work(older_program());
    shop.enqueue(&[newer(shop.job(&Parcel {})), newer(NewJob { version: 2, ..shop.job(&Errand::to("somebody")) })])
        .await;
    // Jobs behind them are done: a worker does not claim the newer ones again at once.
    for _ in 0..5 {
        shop.enqueue(&[(); 10].map(|()| shop.job(&Errand::to("somebody")))).await;
        shop.comes_to(0, "jobs WHERE version = 1 AND kind = 'errand' AND state <> 'completed'").await;
    }
    let untried = "jobs WHERE state = 'ready' AND attempt = 0 AND last_error IS NULL AND secret IS NOT NULL";
    assert_eq!(shop.count(untried).await, 2);

    let second = shop.work(older_program());
    let began = Instant::now();
    let newer_program = shop.work(Handlers::new().with::<Parcel>(Does(|_: Parcel, _| async { done() }.boxed())));
    shop.comes_to(1, "jobs WHERE kind = 'parcel' AND state = 'completed' AND attempt = 1").await;
    assert!(began.elapsed() < Duration::from_secs(10), "a newer program need not wait");
    assert_eq!((shop.count(untried).await, shop.deaths("errand").await), (1, 0), "a version that nobody knows waits");
    for working in [first, second, newer_program] {
        working.end().await;
    }
}

/// Once cancelled before its unit is committed, and once failing afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_in_the_unit_of_its_job_is_done_once() {
    let shop = Shop::open().await;
    let (line, context) = (shop.line(), shop.context.clone());
    let handlers = Handlers::new().with::<Errand>(Does(move |_: Errand, of: tenantry_jobs::JobAttempt| {
        let (line, context) = (line.clone(), context.clone());
        async move {
            let mut unit = line.begin().await?;
            unit.enqueue_job(&NewJob::of(&context, None, &Receipt {})?).await?;
            of.complete_in(&mut unit).await?;
            if of.job.attempt == 1 {
                return Err(JobFailure::retry("cut off before the commit"));
            }
            line.commit(unit).await?;
            Err(JobFailure::retry("cut off after the commit"))
        }
        .boxed()
    }));
    let working = shop.work(handlers);
    let jobs: Vec<NewJob> = (0..10).map(|_| shop.job(&Errand::to("somebody"))).collect();
    shop.enqueue(&jobs).await;
    shop.comes_to(10, "jobs WHERE kind = 'errand' AND state = 'completed' AND attempt = 2").await;
    // The report of the second attempt is refused: the job is completed.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(shop.count("jobs WHERE kind = 'errand' AND state = 'completed' AND attempt = 2").await, 10);
    assert_eq!(shop.count("jobs WHERE kind = 'receipt'").await, 10);
    working.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snoozed_job_comes_back_and_has_consumed_no_attempt() {
    let shop = Shop::open().await;
    let (context, tries) = (shop.context.clone(), Arc::new(AtomicUsize::new(0)));
    let working = shop.work(Handlers::new().with::<Errand>(Does({
        let tries = tries.clone();
        move |_: Errand, of: tenantry_jobs::JobAttempt| {
            assert_eq!(of.job.attempt, 1);
            let is_last = tries.fetch_add(1, Ordering::SeqCst) == 5;
            let until = context.now().plus(Duration::from_millis(100));
            async move { if is_last { done() } else { Ok(Done::Snooze { until }) } }.boxed()
        }
    })));
    shop.enqueue(&[shop.job(&Errand::to("somebody asleep"))]).await;
    let took = shop.comes_to(1, "jobs WHERE state = 'completed' AND attempt = 1").await;
    assert_eq!(tries.load(Ordering::SeqCst), 6);
    assert!(took >= Duration::from_millis(450), "{took:?}");
    working.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_queue_takes_more_places_than_its_own() {
    let shop = Shop::open().await;
    let [errands, parcels] = [(); 2].map(|()| Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]));
    let held = |places: &Arc<[AtomicUsize; 2]>| {
        let places = places.clone();
        async move {
            let now = places[0].fetch_add(1, Ordering::SeqCst) + 1;
            places[1].fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(30)).await;
            places[0].fetch_sub(1, Ordering::SeqCst);
            done()
        }
        .boxed()
    };
    let (of_errands, of_parcels) = (errands.clone(), parcels.clone());
    let handlers = Handlers::new()
        .with::<Errand>(Does(move |_: Errand, _| held(&of_errands)))
        .with::<Parcel>(Does(move |_: Parcel, _| held(&of_parcels)));
    let errand_jobs: Vec<NewJob> = (0..30).map(|_| shop.job(&Errand::to("somebody"))).collect();
    let parcel_jobs: Vec<NewJob> = (0..10).map(|_| shop.job(&Parcel {})).collect();
    shop.enqueue(&errand_jobs).await;
    shop.enqueue(&parcel_jobs).await;
    let working = shop.work(handlers);
    shop.comes_to(40, "jobs WHERE state = 'completed'").await;
    let most = [errands, parcels].map(|places| places[1].load(Ordering::SeqCst));
    assert_eq!(most, [3, 1], "all of its own places, and none of another's");
    working.end().await;
}
