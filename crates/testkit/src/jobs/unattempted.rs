//! Tests of uncounted attempts, and of jobs that fail permanently before their last attempt.

use tenantry_jobs::{AttemptOutcome, JobClaims, JobId, NewJob};

use super::{
    JobPorts, LEASE, MILLISECOND, blank, claim, claim_one, claiming, clear, complete, enqueue, expected, fail, has_due,
    new_job, secret_until, shown,
};
use crate::{scene::Scene, units::Units};

fn discarded() -> AttemptOutcome {
    AttemptOutcome::Discarded { error: "it makes no sense".to_owned() }
}

/// Creates a job with every field that could get lost, and more than one attempt.
fn full_job(scene: &Scene<'_, impl Units>) -> NewJob {
    let secret = Some(secret_until(scene.context.now().plus(99 * LEASE)));
    NewJob { secret, unique_key: Some("report".to_owned()), max_attempts: 2, ..new_job(scene, None) }
}

pub(super) async fn a_snoozed_job_waits_and_has_consumed_no_attempt(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let job = full_job(scene);
    enqueue(scene, &[&job]).await;
    // More often than its maximum number of attempts.
    for _ in 0..5 {
        let claimed = claim_one(scene).await;
        assert_eq!(shown(&claimed.job), expected(&job, 1));
        let until = scene.context.now().plus(2 * LEASE);
        assert!(fail(scene, claimed.claim, &AttemptOutcome::Snoozed { until }).await);
        assert!(!complete(scene, claimed.claim).await, "the claim was spent");
        scene.clock.set(until.minus(MILLISECOND));
        assert!(!has_due(scene).await);
        assert!(claim(scene, 100).await.is_empty());
        scene.clock.set(until);
        assert!(has_due(scene).await);
    }
    let last = claim_one(scene).await;
    assert_eq!((shown(&last.job), last.job.run_at), (expected(&job, 1), scene.context.now()));
    scene.clock.advance(LEASE);
    assert_eq!(claim_one(scene).await.job.attempt, 2, "a try that was counted is");
}

pub(super) async fn a_job_that_was_handed_back_is_ready_at_once_and_has_spent_no_attempt(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
) {
    clear(scene).await;
    let job = full_job(scene);
    enqueue(scene, &[&job]).await;
    for _ in 0..5 {
        // No job has become due, so no state changes.
        let (command, now) = claiming(scene, 100);
        let mut claims = scene.system(async |unit| unit.claim_jobs(command, now).await.unwrap()).await.jobs;
        assert_eq!(claims.len(), 1);
        let claimed = claims.remove(0);
        assert_eq!((shown(&claimed.job), claimed.job.run_at), (expected(&job, 1), job.run_at), "it keeps its place");
        assert!(fail(scene, claimed.claim, &AttemptOutcome::HandedBack).await);
        assert!(has_due(scene).await);
        assert!(!complete(scene, claimed.claim).await, "the claim was spent");
        assert!(!fail(scene, claimed.claim, &AttemptOutcome::HandedBack).await, "no attempt is given back twice");
    }
    assert!(complete(scene, claim_one(scene).await.claim).await);
}

pub(super) async fn a_discarded_job_is_a_dead_letter_and_keeps_its_secret(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
) {
    clear(scene).await;
    let job = full_job(scene);
    enqueue(scene, &[&job]).await;
    let claimed = claim_one(scene).await;
    assert!(fail(scene, claimed.claim, &discarded()).await);
    assert!(!complete(scene, claimed.claim).await);
    scene.clock.advance(9 * LEASE);
    assert!(!has_due(scene).await);
    assert!(claim(scene, 100).await.is_empty());
    assert_eq!(blank(scene).await, 0);
    scene.clock.advance(99 * LEASE);
    assert_eq!(blank(scene).await, 1, "its secret stays until it expires");
    let successor = NewJob { id: JobId::new(&scene.context), secret: None, ..job };
    enqueue(scene, &[&successor]).await;
    assert_eq!(claim_one(scene).await.job.id, successor.id, "its key is free");
}

pub(super) async fn fa7_what_is_said_late_is_refused(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    let outcomes = [AttemptOutcome::Snoozed { until: scene.context.now() }, AttemptOutcome::HandedBack, discarded()];
    for outcome in outcomes {
        clear(scene).await;
        let job = NewJob { max_attempts: 9, ..full_job(scene) };
        enqueue(scene, &[&job]).await;
        let late = claim_one(scene).await.claim;
        scene.clock.advance(LEASE);
        let good = claim_one(scene).await.claim;
        assert!(!fail(scene, late, &outcome).await, "{outcome:?}");
        assert!(!has_due(scene).await, "{outcome:?}");
        scene.clock.advance(LEASE);
        let third = claim_one(scene).await;
        assert_eq!(shown(&third.job), expected(&job, 3), "{outcome:?} gave no attempt back and took no secret");
        assert!(!fail(scene, good, &outcome).await, "{outcome:?}");
        assert!(complete(scene, third.claim).await);
    }
}
