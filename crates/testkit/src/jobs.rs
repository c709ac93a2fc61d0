//! The suite of [`JobQueue`], [`JobClaims`] and [`JobAdmin`].
//!
//! This suite does not test that units do not wait for each other's claims, since some stores have one writer at a
//! time. Adapters with several writers test that themselves.

use std::time::Duration;
use tenantry_jobs::{
    AttemptOutcome, Claim, ClaimJobs, Claimed, Enqueued, FairnessCursor, Job, JobAdmin, JobClaims, JobId, JobQueue,
    NewJob, SealedSecret, Settlement,
};
use tenantry_kernel::{TenantId, Timestamp};

use crate::{
    scene::{Directory, Scene},
    units::Units,
};

mod admin;
mod batches;
mod claims;
mod fairness;
mod heartbeats;
mod keys;
mod leases;
mod outcomes;
mod property;
mod secrets;
mod tenant_isolation;
mod unattempted;

pub use property::{USUAL_ROUNDS, property};

/// The ports of this suite: the queue, and the tenants that own the jobs.
pub trait JobPorts: Directory + JobQueue + JobClaims + JobAdmin {}
impl<T: Directory + JobQueue + JobClaims + JobAdmin + ?Sized> JobPorts for T {}

suite! {
    jobs(units: impl Units<Unit: JobPorts>) calls (&Scene::new(&units)) {
        a_job_reads_back_as_enqueued,
        a_job_is_there_once_its_unit_is_committed,
        a_dropped_unit_leaves_no_job,
    }
    admin {
        a_job_is_shown_as_it_stands,
        pages_run_by_id_and_keep_to_their_filter,
        queues_are_counted_by_state,
        a_dead_or_cancelled_job_is_retried_with_all_its_attempts,
        a_job_is_not_retried_beside_a_live_one_of_its_key,
        only_a_waiting_job_is_cancelled_and_its_secret_is_blanked,
        a_job_lacks_the_secret_that_has_expired_or_is_gone,
        te1_another_tenants_jobs_are_not_there,
    }
    claims {
        greater_priority_goes_first_and_then_the_oldest,
        a_job_waits_for_its_time,
        no_more_is_claimed_than_was_asked_for,
        each_claim_counts_an_attempt,
        a_dropped_unit_has_claimed_nothing,
        fa7_two_units_never_claim_the_same_job,
    }
    leases {
        fa7_a_job_is_claimed_again_once_its_lease_has_ended,
        fa7_the_word_of_a_worker_that_was_replaced_is_refused,
        fa7_a_claim_is_good_until_another_replaces_it,
        fa7_a_lease_that_ended_at_the_last_attempt_makes_a_dead_letter,
        fa7_the_last_attempt_may_end_within_its_lease,
        fa7_jobs_of_ended_leases_stand_in_line_with_the_others,
    }
    heartbeats {
        fa7_a_claim_that_was_extended_lasts_until_then,
        fa7_a_claim_that_nobody_replaced_may_be_extended_late,
        fa7_the_claims_that_are_not_good_any_more_are_told,
        fa7_only_the_right_claim_extends,
        fa7_a_dropped_unit_has_extended_nothing,
    }
    outcomes {
        a_job_is_done_once_and_its_secret_goes,
        a_failed_job_is_retried_at_its_time,
        a_dead_letter_is_never_tried_again_and_keeps_its_secret,
        only_the_claim_that_was_made_is_good,
        any_text_may_be_a_cause,
        a_dropped_unit_has_done_nothing,
    }
    unattempted {
        a_snoozed_job_waits_and_has_consumed_no_attempt,
        a_job_that_was_handed_back_is_ready_at_once_and_has_spent_no_attempt,
        a_discarded_job_is_a_dead_letter_and_keeps_its_secret,
        fa7_what_is_said_late_is_refused,
    }
    batches {
        what_became_of_many_is_noted_at_once,
        fa7_of_two_claims_to_a_job_the_late_one_is_refused,
        many_are_enqueued_at_once,
        of_many_the_second_of_a_key_is_left_out,
        te1_one_job_of_another_tenant_refuses_all,
        only_time_that_was_noted_makes_jobs_ready,
    }
    fairness {
        fa13_tenants_take_turns_whatever_their_backlog,
        fa13_a_batch_is_shared,
        fa13_a_round_goes_on_where_it_was,
        fa13_priority_counts_among_a_tenants_own,
        fa13_a_tenant_runs_no_more_than_it_may,
        fa13_nobody_waits_for_tenants_that_have_all_they_may,
        fa13_the_limit_holds_for_all_queues_together,
        queues_are_apart,
        jobs_of_formats_that_a_worker_leaves_hide_no_others,
    }
    secrets {
        exactly_the_secrets_whose_time_is_over_are_blanked,
    }
    keys {
        a_live_job_keeps_its_key,
        a_key_is_free_once_its_job_is_over,
        of_many_units_one_adds_a_job_of_a_key,
        jobs_without_a_key_never_meet,
        te5_a_key_is_one_tenants_and_one_kinds,
    }
    tenant_isolation {
        every_scope_enqueues_its_own,
        te1_a_job_of_another_tenant_is_refused,
        te1_only_system_units_work,
    }
}

const QUEUE: &str = "errands";
const MILLISECOND: Duration = Duration::from_millis(1);
const LEASE: Duration = Duration::from_millis(60_001);

/// Creates a job that is due at once and has three attempts.
fn new_job(scene: &Scene<'_, impl Units>, tenant: Option<TenantId>) -> NewJob {
    let now = scene.context.now();
    NewJob {
        id: JobId::new(&scene.context),
        tenant,
        queue: QUEUE,
        kind: "errand",
        version: 1,
        payload: r#"{"to":"nobody"}"#.to_owned(),
        secret: None,
        priority: 0,
        run_at: now,
        max_attempts: 3,
        unique_key: None,
        trace: None,
        created_at: now,
    }
}

fn secret_until(expires_at: Timestamp) -> SealedSecret {
    SealedSecret { key_id: "k1".to_owned(), bytes: (0..=255).collect(), expires_at }
}

/// Returns the job as a worker gets it, in a form that can be compared independently of its time.
fn shown(job: &Job) -> String {
    format!("{:?}", Job { run_at: job.created_at, ..job.clone() })
}

/// Returns the same form of an enqueued job at this attempt.
fn expected(job: &NewJob, attempt: u32) -> String {
    shown(&at_attempt(job, attempt))
}

/// Returns an enqueued job as a worker gets it at this attempt.
fn at_attempt(job: &NewJob, attempt: u32) -> Job {
    Job {
        id: job.id,
        tenant: job.tenant,
        queue: job.queue.to_owned(),
        kind: job.kind.to_owned(),
        version: job.version,
        payload: job.payload.clone(),
        run_at: job.run_at,
        secret: job.secret.clone(),
        attempt,
        max_attempts: job.max_attempts,
        trace: job.trace.clone(),
        created_at: job.created_at,
    }
}

async fn enqueue(scene: &Scene<'_, impl Units<Unit: JobQueue>>, jobs: &[&NewJob]) {
    scene
        .system(async |unit| {
            for job in jobs {
                assert_eq!(unit.enqueue_job(job).await.unwrap(), Enqueued::Added);
            }
        })
        .await;
}

/// Returns the claim of a new worker at the current time.
fn claiming(scene: &Scene<'_, impl Units>, limit: u32) -> (ClaimJobs<'static>, Timestamp) {
    let now = scene.context.now();
    let (token, until) = (scene.context.uuid_v7(), now.plus(LEASE));
    let after = FairnessCursor::default();
    (ClaimJobs { queue: QUEUE, limit, tenant_limit: None, except: &[], after, token, until }, now)
}

async fn claim(scene: &Scene<'_, impl Units<Unit: JobClaims>>, limit: u32) -> Vec<Claimed> {
    let (command, now) = claiming(scene, limit);
    claim_by(scene, command, now).await
}

/// Claims jobs after applying the transitions that depend on time alone.
async fn claim_by(
    scene: &Scene<'_, impl Units<Unit: JobClaims>>,
    command: ClaimJobs<'_>,
    now: Timestamp,
) -> Vec<Claimed> {
    scene
        .system(async |unit| {
            unit.advance_jobs(now).await.unwrap();
            let claims = unit.claim_jobs(command, now).await.unwrap();
            assert_eq!(claims.unreadable, []);
            claims.jobs
        })
        .await
}

fn retry_at(at: Timestamp) -> AttemptOutcome {
    AttemptOutcome::RetryAt { at, error: "it rained".to_owned() }
}

fn dead() -> AttemptOutcome {
    AttemptOutcome::Dead { error: "it rained".to_owned() }
}

/// Claims the only job that is due.
async fn claim_one(scene: &Scene<'_, impl Units<Unit: JobClaims>>) -> Claimed {
    let mut claimed = claim(scene, 100).await;
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed.remove(0)
}

/// Claims until this number of jobs has been returned: a dropped unit may release its jobs a little later.
async fn claim_once_let_go(scene: &Scene<'_, impl Units<Unit: JobClaims>>, count: usize) -> Vec<Claimed> {
    const PATIENCE: Duration = Duration::from_secs(20);
    let mut claimed = Vec::new();
    let all_have_come = async {
        while claimed.len() < count {
            claimed.extend(claim(scene, 100).await);
        }
    };
    tokio::time::timeout(PATIENCE, all_have_come).await.unwrap();
    assert_eq!(claimed.len(), count);
    claimed
}

fn ids(claimed: &[Claimed]) -> Vec<JobId> {
    claimed.iter().map(|claimed| claimed.job.id).collect()
}

async fn has_due(scene: &Scene<'_, impl Units<Unit: JobClaims>>) -> bool {
    let now = scene.context.now();
    scene.look(async |unit| unit.has_due_jobs(&[QUEUE], &[], now).await.unwrap()).await
}

async fn complete(scene: &Scene<'_, impl Units<Unit: JobClaims>>, claim: Claim) -> bool {
    let now = scene.context.now();
    scene.system(async |unit| unit.complete_job(claim, now).await.unwrap()).await
}

async fn fail(scene: &Scene<'_, impl Units<Unit: JobClaims>>, claim: Claim, outcome: &AttemptOutcome) -> bool {
    let now = scene.context.now();
    let settlement = Settlement { claim, outcome: outcome.clone() };
    scene.system(async |unit| unit.settle_jobs(&[settlement], now).await.unwrap().is_empty()).await
}

async fn blank(scene: &Scene<'_, impl Units<Unit: JobClaims>>) -> u64 {
    let now = scene.context.now();
    scene.system(async |unit| unit.blank_expired_secrets(now).await.unwrap()).await
}

/// Completes the jobs that other scenarios left, so that the queue is empty and no secret is stored.
async fn clear(scene: &Scene<'_, impl Units<Unit: JobClaims>>) {
    scene.later(10 * 86_400_000);
    loop {
        let left = claim(scene, 100).await;
        if left.is_empty() {
            break;
        }
        for claimed in left {
            assert!(complete(scene, claimed.claim).await);
        }
    }
    blank(scene).await;
}

async fn a_job_reads_back_as_enqueued(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    let acme = scene.tenant().await;
    let least = NewJob {
        queue: "",
        version: i32::MIN,
        payload: String::new(),
        secret: Some(SealedSecret { key_id: String::new(), bytes: vec![], expires_at: scene.later(3) }),
        priority: i32::MIN,
        max_attempts: 1,
        trace: Some(String::new()),
        ..new_job(scene, None)
    };
    let most = NewJob {
        queue: "größe \u{1F980}",
        kind: "'; DROP TABLE jobs; --",
        version: i32::MAX,
        payload: r#"{"it's":"100% \"his\" _\\ \u0000"}"#.to_owned() + &"\u{1F980}".repeat(20_000),
        secret: Some(secret_until(scene.later(86_400_001))),
        priority: i32::MAX,
        max_attempts: u32::MAX,
        unique_key: Some("größe \u{1F980} '\"%_\\".to_owned()),
        trace: Some("0af7651916cd43dd8448eb211c80319c/\u{1F980}".to_owned()),
        created_at: scene.later(998),
        ..new_job(scene, Some(acme.id()))
    };
    for job in [new_job(scene, Some(acme.id())), least, most] {
        enqueue(scene, &[&job]).await;
        let (command, now) = claiming(scene, 100);
        let mut claimed = claim_by(scene, ClaimJobs { queue: job.queue, ..command }, now).await;
        assert_eq!(claimed.len(), 1);
        let Claimed { job: found, claim } = claimed.remove(0);
        assert_eq!(shown(&found), expected(&job, 1));
        assert_eq!((claim.job, found.run_at), (job.id, job.run_at));
        assert!(complete(scene, claim).await);
    }
}

async fn a_job_is_there_once_its_unit_is_committed(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let job = new_job(scene, None);
    scene
        .system(async |unit| {
            unit.enqueue_job(&job).await.unwrap();
            assert!(!has_due(scene).await, "no other unit sees it yet");
        })
        .await;
    assert!(has_due(scene).await);
    assert_eq!(claim_one(scene).await.job.id, job.id);
}

async fn a_dropped_unit_leaves_no_job(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let job = NewJob { unique_key: Some("report".to_owned()), ..new_job(scene, Some(acme.id())) };
    {
        let mut unit = scene.units.begin(acme.scope()).await;
        assert_eq!(unit.enqueue_job(&job).await.unwrap(), Enqueued::Added);
    }
    assert!(!has_due(scene).await);
    assert!(claim(scene, 100).await.is_empty());
    enqueue(scene, &[&job]).await;
    assert_eq!(claim_one(scene).await.job.id, job.id, "its key was left free");
}
