//! Tests of killed and frozen workers, of jobs that kill their worker, and of a tenant that floods the queue.
//!
//! `TENANTRY_JOBS` sets the number of flooding jobs, and `TENANTRY_ROUNDS` the number of jobs enqueued beside them; the
//! full figures are `TENANTRY_JOBS=100000 TENANTRY_ROUNDS=100 cargo xtask test -E 'test(faults::jobs::fa13)'`.

mod kinds;
mod process;

use kinds::{Crash, Nap, Panic};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tenantry_jobs::NewJob;

use super::{answer_within, on_each_database};
use crate::support::{Kind, rounds};
use process::Queue;

/// The values of the product.
const LEASE: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(3);
/// Maximum time until another worker has the jobs of a dead worker.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// Maximum time until a job of a tenant starts, independent of the other tenants' jobs.
const BEGUN: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(20);
const LONG: u64 = 60_000;

on_each_database! {
    async fn fa7_the_jobs_of_a_killed_worker_are_done_elsewhere_within_15_seconds(kind: Kind) {
        let queue = Queue::new(kind).await;
        let first = queue.worker(LEASE, HEARTBEAT);
        let nap = |in_unit| Nap { first_millis: LONG, later_millis: 10, in_unit };
        let jobs: Vec<NewJob> = (0..6).map(|index| queue.job(None, &nap(index % 2 == 0))).collect();
        queue.enqueue(&jobs).await;
        for job in &jobs {
            first.says(&format!("begun {} 1", job.id), PATIENCE).await;
        }
        // Later than the first leases: the lease that ends is a renewed one.
        tokio::time::sleep(LEASE + HEARTBEAT / 2).await;
        assert_eq!(queue.count("state = 'running' AND attempt = 1").await, 6, "a worker that gives word keeps its jobs");
        // On SQLite only one process serves, so the next worker starts when the first is dead.
        let other = (kind == Kind::Postgres).then(|| queue.worker(LEASE, HEARTBEAT));
        drop(first);
        let other = other.unwrap_or_else(|| queue.worker(LEASE, HEARTBEAT));
        let took = queue.comes_to(6, "state = 'completed' AND kind = 'nap'", TAKEN_OVER).await;
        measured(&format!("FA7: the jobs of a killed worker were done after {took:?}"));
        assert_eq!(queue.count("attempt = 2 AND kind = 'nap'").await, 6);
        assert_eq!(queue.count("kind = 'receipt'").await, 3, "each effect once");
        drop(other);
    }

    async fn fa8_deadly_jobs_are_given_up_and_others_flow(kind: Kind) {
        const SHORT_LEASE: Duration = Duration::from_secs(2);
        let queue = Queue::new(kind).await;
        let nap = Nap { first_millis: 10, later_millis: 10, in_unit: true };
        let naps: Vec<NewJob> = (0..20).map(|_| queue.job(None, &nap)).collect();
        let unreadable = NewJob { payload: "{\"first_millis\":".to_owned(), ..queue.job(None, &nap) };
        queue.enqueue(&[queue.job(None, &Crash {}), queue.job(None, &Panic {}), unreadable]).await;
        queue.enqueue(&naps).await;
        let mut workers = 0;
        let mut worker = queue.worker(SHORT_LEASE, SHORT_LEASE / 4);
        let is_over = async || {
            if worker.has_ended() {
                workers += 1;
                worker = queue.worker(SHORT_LEASE, SHORT_LEASE / 4);
            }
            (queue.count("state IN ('completed', 'dead') AND queue = 'errands'").await == 23).then_some(())
        };
        answer_within(Duration::from_secs(60), "every job is over", is_over).await;
        assert_eq!(workers, 3, "one for each try of the deadly job");
        assert_eq!(queue.count("kind = 'nap' AND state = 'completed'").await, 20);
        assert_eq!(queue.count("kind = 'receipt'").await, 20, "each effect once");
        for (what, dead) in [
            ("the one that ends its worker", "kind = 'crash' AND attempt = 3 AND last_error LIKE '%lease%'"),
            ("the one that panics", "kind = 'panic' AND last_error = 'it panicked'"),
            ("the one that cannot be read", "kind = 'nap' AND last_error LIKE 'the payload cannot be read%'"),
        ] {
            assert_eq!(queue.count(&format!("state = 'dead' AND {dead}")).await, 1, "{what}");
        }
        let events = "SELECT count(*) FROM journal WHERE action = 'job.died'";
        assert_eq!(queue.sql.number(events).await, 3, "an operator must inspect each");
    }

    async fn fa13_a_job_begins_at_once_beside_a_flood(kind: Kind) {
        const CHUNK: usize = 1_000;
        let queue = Queue::new(kind).await;
        let (flooding, modest) = (queue.tenant().await, queue.tenant().await);
        let nap = Nap { first_millis: 5, later_millis: 5, in_unit: false };
        for _ in 0..flood().div_ceil(CHUNK) {
            let jobs: Vec<NewJob> = (0..CHUNK).map(|_| queue.job(Some(flooding), &nap)).collect();
            queue.enqueue(&jobs).await;
        }
        let worker = queue.worker(LEASE, HEARTBEAT);
        worker.says("begun", PATIENCE).await;
        let mut waits = Vec::new();
        for _ in 0..rounds(10) {
            let job = queue.job(Some(modest), &nap);
            queue.enqueue(std::slice::from_ref(&job)).await;
            let committed = Instant::now();
            let begun = worker.says(&format!("begun {}", job.id), PATIENCE).await;
            waits.push(begun.saturating_duration_since(committed));
        }
        let of_flood = format!("state = 'ready' AND tenant_id = {}", queue.sql.id(&flooding.to_string()));
        assert!(queue.count(&of_flood).await > 0, "the flood ended before the last trial");
        waits.sort();
        let p99 = waits[(waits.len() * 99).div_ceil(100) - 1];
        let median = waits[waits.len() / 2];
        measured(&format!("FA13: beside {} jobs of another, begun after {median:?} (median), {p99:?} (p99)", flood()));
        assert!(p99 <= BEGUN, "{waits:?}");
    }
}

#[expect(clippy::print_stdout, reason = "figures within their bounds are printed too")]
fn measured(figure: &str) {
    println!("{figure}");
}

/// Returns the number of jobs of the flood: 5,000, or the value of `TENANTRY_JOBS`.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
fn flood() -> usize {
    match std::env::var("TENANTRY_JOBS") {
        Ok(text) => text.parse().expect("TENANTRY_JOBS is a number"),
        Err(_) => 5_000,
    }
}

/// Needs two processes at once, and so PostgreSQL. The frozen process never renews its leases, so that after waking it
/// reports its results before it learns that the leases are lost.
#[test]
fn fa7_the_late_word_of_a_frozen_worker_is_refused() {
    super::run(async {
        const NEVER: Duration = Duration::from_secs(3_600);
        let queue = Queue::new(Kind::Postgres).await;
        let frozen = queue.worker(LEASE, NEVER);
        let [in_unit, outside] =
            [true, false].map(|in_unit| queue.job(None, &Nap { first_millis: 2_000, later_millis: 10, in_unit }));
        queue.enqueue(&[in_unit.clone(), outside.clone()]).await;
        for job in [&in_unit, &outside] {
            frozen.says(&format!("begun {} 1", job.id), PATIENCE).await;
        }
        frozen.signal(Signal::STOP);
        let other = queue.worker(LEASE, HEARTBEAT);
        let done = "state = 'completed' AND kind = 'nap' AND attempt = 2";
        let took = queue.comes_to(2, done, TAKEN_OVER).await;
        measured(&format!("FA7: the jobs of a frozen worker were done after {took:?}"));
        assert_eq!(queue.count("kind = 'receipt'").await, 1);

        frozen.signal(Signal::CONT);
        frozen.says(&format!("refused {}", in_unit.id), PATIENCE).await;
        frozen.says("its result was refused", PATIENCE).await;
        assert_eq!(queue.count(done).await, 2, "what was done stays done");
        assert_eq!(queue.count("kind = 'receipt'").await, 1, "once");
        // The worker is usable again.
        drop(other);
        let next = queue.job(None, &Nap { first_millis: 10, later_millis: 10, in_unit: true });
        queue.enqueue(std::slice::from_ref(&next)).await;
        queue.comes_to(3, "state = 'completed' AND kind = 'nap'", PATIENCE).await;
        assert_eq!(queue.count("kind = 'receipt'").await, 2);
    });
}
