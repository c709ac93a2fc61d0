//! Tests of the rows of jobs, and of many units that claim at once, on PostgreSQL; SQLite has one writer at a time.

use sqlx::{Connection, PgConnection, SqliteConnection};
use std::{collections::HashSet, future::Future, time::Duration};
use tenantry_jobs::{
    AttemptOutcome, Claim, ClaimJobs, Claimed, FairnessCursor, JobClaims, JobId, JobQueue, NewJob, Settlement,
};
use tenantry_kernel::Timestamp;
use tenantry_store::Unit;
use tokio::time::timeout;

use crate::support::{Opened, SYSTEM, postgres};

on_both_databases! {
    what_became_of_a_job_is_written_down
    fa8_a_job_whose_row_cannot_be_read_is_a_dead_letter_and_others_flow
}

const LEASE: Duration = Duration::from_secs(60);

/// Limits the work to far less time than a wait for a lock would take.
async fn at_once<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(5), work).await.expect("no unit waits for another")
}

async fn enqueue(opened: &Opened, jobs: &[NewJob]) {
    opened
        .system(async |unit| {
            for job in jobs {
                unit.enqueue_job(job).await.unwrap();
            }
        })
        .await;
}

async fn claim(opened: &Opened, unit: &mut Unit, limit: u32, now: Timestamp) -> Vec<Claimed> {
    let (token, until) = (opened.context.uuid_v7(), now.plus(LEASE));
    let after = FairnessCursor::default();
    let command = ClaimJobs { queue: "errands", limit, tenant_limit: None, except: &[], after, token, until };
    at_once(unit.claim_jobs(command, now)).await.unwrap().jobs
}

/// Advances due and expired jobs, in a unit of its own.
async fn advance(opened: &Opened, now: Timestamp) {
    opened.system(async |unit| at_once(unit.advance_jobs(now)).await.unwrap()).await;
}

fn snow() -> AttemptOutcome {
    AttemptOutcome::Dead { error: "it snowed".to_owned() }
}

async fn settle(unit: &mut Unit, claim: Claim, outcome: AttemptOutcome, now: Timestamp) -> bool {
    unit.settle_jobs(&[Settlement { claim, outcome }], now).await.unwrap().is_empty()
}

fn ids(claimed: &[Claimed]) -> HashSet<JobId> {
    claimed.iter().map(|claimed| claimed.job.id).collect()
}

/// Reads state, last error and whether a secret is kept from the row of the only job of the kind.
async fn written(opened: &Opened, kind: &str) -> String {
    const WRITTEN: &str = "SELECT state || ', ' || coalesce(last_error, 'no error') || ', ' || CASE \
        WHEN secret IS NULL AND secret_key_id IS NULL AND secret_expires_at IS NULL THEN 'blank' \
        WHEN secret IS NULL OR secret_key_id IS NULL OR secret_expires_at IS NULL THEN 'torn' ELSE 'secret' END \
        FROM jobs WHERE kind = $1";
    if opened.is_postgres() {
        let mut connection = PgConnection::connect(opened.database.url()).await.unwrap();
        sqlx::raw_sql("SELECT set_config('app.system', 'on', false)").execute(&mut connection).await.unwrap();
        sqlx::query_scalar(WRITTEN).bind(kind).fetch_one(&mut connection).await.unwrap()
    } else {
        let mut connection = SqliteConnection::connect(opened.database.url()).await.unwrap();
        sqlx::query_scalar(WRITTEN).bind(kind).fetch_one(&mut connection).await.unwrap()
    }
}

async fn what_became_of_a_job_is_written_down(opened: Opened) {
    let kinds = ["done", "retried", "dead", "given_up", "blanked", "discarded"];
    let max_attempts = |kind| if kind == "given_up" { 1 } else { 3 };
    let jobs = kinds.map(|kind| NewJob { kind, max_attempts: max_attempts(kind), ..opened.new_job(None) });
    enqueue(&opened, &jobs).await;
    let now = opened.context.now();
    for kind in kinds {
        assert_eq!(written(&opened, kind).await, "ready, no error, secret");
    }
    for claimed in opened.system(async |unit| claim(&opened, unit, 100, now).await).await {
        let (kind, claim) = (claimed.job.kind.as_str(), claimed.claim);
        assert_eq!(written(&opened, kind).await, "running, no error, secret");
        let went_well = opened
            .system(async |unit| match kind {
                "done" => unit.complete_job(claim, now).await.unwrap(),
                "retried" => {
                    let outcome = AttemptOutcome::RetryAt { at: now.plus(LEASE), error: "it rained".to_owned() };
                    settle(unit, claim, outcome, now).await
                }
                "dead" | "blanked" => settle(unit, claim, snow(), now).await,
                "discarded" => {
                    settle(unit, claim, AttemptOutcome::Discarded { error: "it hailed".to_owned() }, now).await
                }
                _ => true,
            })
            .await;
        assert!(went_well, "{kind}");
    }
    let later = now.plus(LEASE);
    advance(&opened, later).await;
    let retried = opened.system(async |unit| claim(&opened, unit, 100, later).await).await;
    assert_eq!(retried.len(), 1);
    for (kind, expected) in [
        ("done", "completed, no error, blank"),
        ("retried", "running, it rained, secret"),
        ("dead", "dead, it snowed, secret"),
        ("discarded", "dead, it hailed, secret"),
        ("given_up", "dead, the last attempt did not end within its lease, secret"),
    ] {
        assert_eq!(written(&opened, kind).await, expected);
    }
    let much_later = now.plus(Duration::from_secs(86_400));
    let (done, blanked) = opened
        .system(async |unit| {
            let done = unit.complete_job(retried[0].claim, later).await.unwrap();
            (done, unit.blank_expired_secrets(much_later).await.unwrap())
        })
        .await;
    assert_eq!((done, blanked), (true, 4));
    assert_eq!(written(&opened, "retried").await, "completed, no error, blank", "all's well that ends well");
    assert_eq!(written(&opened, "blanked").await, "dead, it snowed, blank");
}

async fn fa8_a_job_whose_row_cannot_be_read_is_a_dead_letter_and_others_flow(opened: Opened) {
    for (column, change) in [
        ("attempt", "attempt = -2"),
        ("max_attempts", "max_attempts = 4294967296"),
        ("secret", "secret_expires_at = NULL"),
    ] {
        let [poor, good] = ["poor", "good"].map(|kind| NewJob { kind, ..opened.new_job(None) });
        enqueue(&opened, &[poor.clone(), good.clone()]).await;
        opened.execute(&format!("UPDATE jobs SET {change} WHERE kind = 'poor' AND state = 'ready'")).await;
        let now = opened.context.now();
        let (token, until) = (opened.context.uuid_v7(), now.plus(LEASE));
        let command = ClaimJobs {
            queue: "errands",
            limit: 100,
            tenant_limit: Some(100),
            except: &[],
            after: FairnessCursor::default(),
            token,
            until,
        };
        let claims = opened.system(async |unit| unit.claim_jobs(command, now).await.unwrap()).await;
        assert_eq!(ids(&claims.jobs), HashSet::from([good.id]), "{column}");
        assert_eq!(
            claims.unreadable.iter().map(|dead_letter| dead_letter.job).collect::<Vec<_>>(),
            [poor.id],
            "{column}"
        );
        assert!(claims.unreadable[0].error.contains(column), "{}", claims.unreadable[0].error);
        assert!(written(&opened, "poor").await.starts_with("dead, "), "{column}");
        let claimed = &claims.jobs[0];
        assert!(opened.system(async |unit| unit.complete_job(claimed.claim, now).await.unwrap()).await);
        opened.execute("DELETE FROM jobs").await;
    }
}

#[tokio::test]
async fn fa7_nobody_waits_for_what_another_unit_has_claimed() {
    let opened = postgres().await;
    let jobs: Vec<NewJob> = (0..5).map(|_| opened.new_job(None)).collect();
    enqueue(&opened, &jobs).await;
    let mut now = opened.context.now();
    // The jobs are claimed first when new, then after the leases of the first claims ended.
    for attempt in [1, 2] {
        let mut one = opened.store.begin(SYSTEM).await.unwrap();
        let mut other = opened.store.begin(SYSTEM).await.unwrap();
        let first = claim(&opened, &mut one, 2, now).await;
        let second = claim(&opened, &mut other, 2, now).await;
        let mut third = opened.store.begin(SYSTEM).await.unwrap();
        let rest = claim(&opened, &mut third, 100, now).await;
        assert_eq!((first.len(), second.len(), rest.len()), (2, 2, 1));
        let all: Vec<Claimed> = [first, second, rest].concat();
        assert_eq!(ids(&all), jobs.iter().map(|job| job.id).collect(), "each once");
        assert!(all.iter().all(|claimed| claimed.job.attempt == attempt));
        let mut late = opened.store.begin(SYSTEM).await.unwrap();
        assert!(claim(&opened, &mut late, 100, now).await.is_empty(), "all are held");
        for unit in [third, one, late, other] {
            unit.commit().await.unwrap();
        }
        now = now.plus(LEASE);
        advance(&opened, now).await;
    }
}

#[tokio::test]
async fn fa7_what_a_unit_claimed_and_dropped_is_claimed_by_the_next() {
    let opened = postgres().await;
    let jobs: Vec<NewJob> = (0..3).map(|_| opened.new_job(None)).collect();
    enqueue(&opened, &jobs).await;
    let now = opened.context.now();
    let mut one = opened.store.begin(SYSTEM).await.unwrap();
    assert_eq!(claim(&opened, &mut one, 2, now).await.len(), 2);
    drop(one);
    let mut claimed = Vec::new();
    // The transaction of the dropped unit ends a little later.
    at_once(async {
        while claimed.len() < jobs.len() {
            claimed.extend(opened.system(async |unit| claim(&opened, unit, 100, now).await).await);
        }
    })
    .await;
    assert!(claimed.iter().all(|claimed| claimed.job.attempt == 1));
}

/// Every unit that claims gives up jobs whose last lease has ended, while another unit may complete them late.
#[tokio::test]
async fn fa7_nobody_waits_for_what_another_unit_gives_up_or_completes() {
    let opened = postgres().await;
    let now = opened.context.now();
    let jobs = ["a", "b", "c"].map(|kind| NewJob { kind, max_attempts: 1, ..opened.new_job(None) });
    enqueue(&opened, &jobs).await;
    let claimed = opened.system(async |unit| claim(&opened, unit, 100, now).await).await;
    assert_eq!(claimed.len(), 3);
    let later = now.plus(LEASE);

    let mut late = opened.store.begin(SYSTEM).await.unwrap();
    assert!(late.complete_job(claimed[0].claim, later).await.unwrap(), "no unit has given it up yet");
    assert!(settle(&mut late, claimed[1].claim, snow(), later).await);
    let mut one = opened.store.begin(SYSTEM).await.unwrap();
    let given_up = at_once(one.advance_jobs(later)).await.unwrap();
    assert_eq!(given_up.iter().map(|dead_letter| dead_letter.job).collect::<Vec<_>>(), [claimed[2].job.id]);
    let new = opened.new_job(None);
    enqueue(&opened, std::slice::from_ref(&new)).await;
    let mut other = opened.store.begin(SYSTEM).await.unwrap();
    assert_eq!(at_once(other.advance_jobs(later)).await.unwrap(), [], "another unit gives it up");
    let found = claim(&opened, &mut other, 100, later).await;
    assert_eq!(ids(&found), HashSet::from([new.id]), "none is claimed beyond its last attempt");
    other.commit().await.unwrap();
    late.commit().await.unwrap();
    drop(one);

    // After the dropped unit has ended, the job that it gave up is given up again.
    at_once(async {
        while !written(&opened, &claimed[2].job.kind).await.starts_with("dead") {
            advance(&opened, later).await;
            let found = opened.system(async |unit| claim(&opened, unit, 100, later).await).await;
            assert_eq!(ids(&found), HashSet::new());
        }
    })
    .await;
    assert!(!opened.system(async |unit| unit.complete_job(claimed[2].claim, later).await.unwrap()).await);
}

/// For a table with at most one row by its statistics, the planner chooses another join than for a larger one.
#[tokio::test]
async fn no_more_is_claimed_than_was_asked_for_whatever_the_planner_believes() {
    for known in [0, 1, 2, 50] {
        let opened = postgres().await;
        let jobs: Vec<NewJob> = (0..50).map(|_| opened.new_job(None)).collect();
        let (before, after) = jobs.split_at(known);
        enqueue(&opened, before).await;
        let mut connection = opened.connect().await;
        sqlx::raw_sql("SELECT set_config('app.system', 'on', false)").execute(&mut connection).await.unwrap();
        sqlx::raw_sql("VACUUM ANALYZE jobs").execute(&mut connection).await.unwrap();
        enqueue(&opened, after).await;
        let now = opened.context.now();
        for limit in [1, 3, 10] {
            let claimed = opened.system(async |unit| claim(&opened, unit, limit, now).await).await;
            assert_eq!(claimed.len(), usize::try_from(limit).unwrap(), "with {known} known");
        }
    }
}
