//! Tests of job outcomes: completed, retried or given up.

use tenantry_jobs::{AttemptOutcome, Claim, JobClaims, JobId, NewJob, Settlement};

use super::{
    JobPorts, LEASE, MILLISECOND, blank, claim, claim_once_let_go, claim_one, clear, complete, dead, enqueue, expected,
    fail, has_due, ids, new_job, retry_at, secret_until, shown,
};
use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

pub(super) async fn a_job_is_done_once_and_its_secret_goes(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let ends = scene.context.now().plus(9 * LEASE);
    let job = NewJob { secret: Some(secret_until(ends)), ..new_job(scene, None) };
    let other = NewJob { secret: Some(secret_until(ends)), ..new_job(scene, None) };
    enqueue(scene, &[&job, &other]).await;
    let claimed = claim(scene, 100).await;
    let done = claimed.iter().find(|claimed| claimed.job.id == job.id).unwrap().claim;
    assert!(complete(scene, done).await);
    assert!(!complete(scene, done).await);
    for outcome in [retry_at(scene.context.now()), dead()] {
        assert!(!fail(scene, done, &outcome).await, "{outcome:?}");
    }
    scene.clock.advance(LEASE);
    assert_eq!(shown(&claim_one(scene).await.job), expected(&other, 2), "another's claim and secret stay");
    scene.clock.set(ends);
    assert_eq!(blank(scene).await, 1, "the secret of the other alone was there to be blanked");
    assert_eq!(claim_one(scene).await.job.id, other.id, "a completed job is never claimed again");
}

pub(super) async fn a_failed_job_is_retried_at_its_time(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let secret = Some(secret_until(scene.context.now().plus(99 * LEASE)));
    let (trace, unique_key) = (Some("0af7651916cd43dd".to_owned()), Some("report".to_owned()));
    let job = NewJob { secret, trace, unique_key, ..new_job(scene, Some(acme.id())) };
    enqueue(scene, &[&job]).await;
    let first = claim_one(scene).await;
    // Later than the end of the lease, and than the time of the retry.
    let at = scene.context.now().plus(3 * LEASE);
    assert!(fail(scene, first.claim, &retry_at(at)).await);
    assert!(!complete(scene, first.claim).await, "the claim was spent");
    assert!(!fail(scene, first.claim, &dead()).await);
    scene.clock.set(at.minus(MILLISECOND));
    assert!(!has_due(scene).await);
    assert!(claim(scene, 100).await.is_empty());
    scene.clock.set(at);
    assert!(has_due(scene).await);
    let second = claim_one(scene).await;
    assert_eq!(shown(&second.job), expected(&job, 2), "with its secret, and the attempt counted");
    assert_eq!(second.job.run_at, at);

    assert!(fail(scene, second.claim, &retry_at(scene.context.now())).await);
    let third = claim_one(scene).await;
    assert_eq!(shown(&third.job), expected(&job, 3), "at once, where that was said");
    assert!(complete(scene, third.claim).await);
}

pub(super) async fn a_dead_letter_is_never_tried_again_and_keeps_its_secret(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
) {
    clear(scene).await;
    let ends = scene.context.now().plus(9 * LEASE);
    let job = NewJob { secret: Some(secret_until(ends)), ..new_job(scene, None) };
    enqueue(scene, &[&job]).await;
    let claimed = claim_one(scene).await;
    assert!(fail(scene, claimed.claim, &dead()).await);
    assert!(!complete(scene, claimed.claim).await);
    for outcome in [retry_at(scene.context.now()), dead()] {
        assert!(!fail(scene, claimed.claim, &outcome).await, "{outcome:?}");
    }
    assert!(!has_due(scene).await);
    scene.clock.set(ends.minus(MILLISECOND));
    assert!(claim(scene, 100).await.is_empty(), "not even when its lease would have ended");
    assert_eq!(blank(scene).await, 0);
    scene.clock.set(ends);
    assert_eq!(blank(scene).await, 1);
}

pub(super) async fn only_the_claim_that_was_made_is_good(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let waiting = NewJob { run_at: scene.context.now().plus(LEASE), ..new_job(scene, None) };
    let [one, other] = [new_job(scene, None), new_job(scene, None)];
    enqueue(scene, &[&waiting, &one, &other]).await;
    let (first, second) = (claim(scene, 1).await.remove(0).claim, claim(scene, 1).await.remove(0).claim);
    let token = scene.context.uuid_v7();
    for wrong in [
        Claim { token, ..first },
        Claim { token: second.token, ..first },
        Claim { job: second.job, ..first },
        Claim { job: waiting.id, ..first },
        Claim { job: waiting.id, token },
        Claim { job: JobId::new(&scene.context), ..first },
    ] {
        assert!(!complete(scene, wrong).await, "{wrong:?}");
        for outcome in [retry_at(scene.context.now()), dead()] {
            assert!(!fail(scene, wrong, &outcome).await, "{wrong:?} {outcome:?}");
        }
    }
    assert!(!has_due(scene).await);
    assert!(complete(scene, first).await);
    assert!(complete(scene, second).await);
    scene.clock.set(waiting.run_at);
    assert_eq!(claim_one(scene).await.job.id, waiting.id);
}

pub(super) async fn any_text_may_be_a_cause(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let job = NewJob { max_attempts: 10, ..new_job(scene, None) };
    enqueue(scene, &[&job]).await;
    let now = scene.context.now();
    for error in ["", "'; DROP TABLE jobs; --", "größe\n\u{1F980}\t\"%_\\", &"long ".repeat(2_000)] {
        let claim = claim_one(scene).await.claim;
        let failed = scene
            .system(async |unit| {
                unit.settle_jobs(
                    &[Settlement { claim, outcome: AttemptOutcome::RetryAt { at: now, error: error.to_owned() } }],
                    now,
                )
                .await
            })
            .await;
        assert_eq!(failed.unwrap(), []);
    }
    let claim = claim_one(scene).await.claim;
    let failed = scene
        .system(async |unit| {
            unit.settle_jobs(
                &[Settlement { claim, outcome: AttemptOutcome::Dead { error: "größe\n\u{1F980}".to_owned() } }],
                now,
            )
            .await
        })
        .await;
    assert_eq!(failed.unwrap(), []);
}

pub(super) async fn a_dropped_unit_has_done_nothing(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let jobs = [new_job(scene, None), new_job(scene, None), new_job(scene, None)];
    let secret = Some(secret_until(scene.context.now()));
    let with_secret = NewJob { secret, priority: -1, ..new_job(scene, None) };
    enqueue(scene, &[&jobs[0], &jobs[1], &jobs[2], &with_secret]).await;
    let claimed = claim(scene, 100).await;
    let now = scene.context.now();
    {
        let mut unit = scene.units.begin(TestScope::System).await;
        assert!(unit.complete_job(claimed[0].claim, now).await.unwrap());
        assert_eq!(
            unit.settle_jobs(&[Settlement { claim: claimed[1].claim, outcome: retry_at(now) }], now).await.unwrap(),
            []
        );
        assert_eq!(
            unit.settle_jobs(&[Settlement { claim: claimed[2].claim, outcome: dead() }], now).await.unwrap(),
            []
        );
        assert_eq!(unit.blank_expired_secrets(now).await.unwrap(), 1);
    }
    assert!(!has_due(scene).await, "all are claimed still");
    scene.clock.advance(LEASE);
    let mut again = claim_once_let_go(scene, 4).await;
    let secret = again.remove(ids(&again).iter().position(|id| *id == with_secret.id).unwrap());
    assert_eq!(shown(&secret.job), expected(&with_secret, 2));
}
