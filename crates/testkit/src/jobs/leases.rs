//! Tests of a worker that does not return: its lease ends, another worker runs the job, and late reports of the first
//! do not count.

use tenantry_jobs::{JobId, NewJob};

use super::{
    JobPorts, LEASE, MILLISECOND, blank, claim, claim_one, clear, complete, dead, enqueue, expected, fail, has_due,
    ids, new_job, retry_at, secret_until, shown,
};
use crate::{scene::Scene, units::Units};

pub(super) async fn fa7_a_job_is_claimed_again_once_its_lease_has_ended(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let secret = Some(secret_until(scene.context.now().plus(3 * LEASE)));
    let job = NewJob { secret, ..new_job(scene, None) };
    enqueue(scene, &[&job]).await;
    let until = scene.context.now().plus(LEASE);
    let first = claim_one(scene).await;
    scene.clock.set(until.minus(MILLISECOND));
    assert!(!has_due(scene).await);
    assert!(claim(scene, 100).await.is_empty(), "it is its worker's still");
    scene.clock.set(until);
    assert!(has_due(scene).await);
    let second = claim_one(scene).await;
    assert_eq!(shown(&second.job), expected(&job, 2));
    assert_ne!(second.claim, first.claim);
    assert!(claim(scene, 100).await.is_empty(), "the new lease is as long");
    assert!(complete(scene, second.claim).await);
}

pub(super) async fn fa7_the_word_of_a_worker_that_was_replaced_is_refused(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
) {
    clear(scene).await;
    let secret = Some(secret_until(scene.context.now().plus(9 * LEASE)));
    let job = NewJob { secret, ..new_job(scene, None) };
    enqueue(scene, &[&job]).await;
    let late = claim_one(scene).await.claim;
    scene.clock.advance(LEASE);
    let good = claim_one(scene).await.claim;
    let now = scene.context.now();
    assert!(!complete(scene, late).await);
    for outcome in [retry_at(now), dead()] {
        assert!(!fail(scene, late, &outcome).await, "{outcome:?}");
    }
    assert!(!has_due(scene).await, "it is not tried again, whatever was said");
    scene.clock.advance(LEASE);
    let third = claim_one(scene).await;
    assert_eq!(shown(&third.job), expected(&job, 3), "neither completed nor given up, and its secret is there");
    assert!(!complete(scene, good).await, "a valid claim is late in its turn");
    assert!(complete(scene, third.claim).await);
    for claim in [late, good, third.claim] {
        assert!(!complete(scene, claim).await);
        assert!(!fail(scene, claim, &retry_at(now)).await);
    }
    assert!(!has_due(scene).await, "a completed job stays completed");
}

pub(super) async fn fa7_a_claim_is_good_until_another_replaces_it(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let jobs = [new_job(scene, None), new_job(scene, None), new_job(scene, None)];
    enqueue(scene, &[&jobs[0], &jobs[1], &jobs[2]]).await;
    let claimed = claim(scene, 100).await;
    let until = scene.context.now().plus(LEASE);
    scene.clock.set(until.plus(LEASE));
    let now = scene.context.now();
    assert!(complete(scene, claimed[0].claim).await, "no other worker has claimed it");
    assert!(fail(scene, claimed[1].claim, &retry_at(now)).await);
    assert!(fail(scene, claimed[2].claim, &dead()).await);
    let again = claim_one(scene).await;
    assert_eq!((again.job.id, again.job.attempt), (claimed[1].job.id, 2));
}

pub(super) async fn fa7_a_lease_that_ended_at_the_last_attempt_makes_a_dead_letter(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
) {
    for max_attempts in [1, 2] {
        clear(scene).await;
        let secret_ends = scene.context.now().plus(9 * LEASE);
        let (secret, unique_key) = (Some(secret_until(secret_ends)), Some("deadly".to_owned()));
        let job = NewJob { secret, unique_key, max_attempts, ..new_job(scene, None) };
        enqueue(scene, &[&job]).await;
        let mut last = claim_one(scene).await;
        for attempt in 2..=max_attempts {
            scene.clock.advance(LEASE);
            last = claim_one(scene).await;
            assert_eq!(last.job.attempt, attempt);
        }
        scene.clock.advance(LEASE);
        // The same call claims another job and gives this one up.
        let other = new_job(scene, None);
        enqueue(scene, &[&other]).await;
        assert_eq!(ids(&claim(scene, 100).await), [other.id]);

        let now = scene.context.now();
        assert!(!has_due(scene).await);
        assert!(!complete(scene, last.claim).await);
        for outcome in [retry_at(now), dead()] {
            assert!(!fail(scene, last.claim, &outcome).await, "{outcome:?}");
        }
        let successor = NewJob { id: JobId::new(&scene.context), secret: None, ..job };
        enqueue(scene, &[&successor]).await;
        assert_eq!(ids(&claim(scene, 100).await), [successor.id], "a dead letter leaves its key free");
        scene.clock.set(secret_ends);
        assert_eq!(blank(scene).await, 1, "and has kept its secret till now");
    }
}

pub(super) async fn fa7_the_last_attempt_may_end_within_its_lease(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let job = NewJob { max_attempts: 1, ..new_job(scene, None) };
    enqueue(scene, &[&job]).await;
    let until = scene.context.now().plus(LEASE);
    let claimed = claim_one(scene).await;
    scene.clock.set(until.minus(MILLISECOND));
    assert!(claim(scene, 100).await.is_empty(), "a claim does not give it up");
    assert!(complete(scene, claimed.claim).await);
}

pub(super) async fn fa7_jobs_of_ended_leases_stand_in_line_with_the_others(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
) {
    clear(scene).await;
    let [low, high] = [-1, 1].map(|priority| {
        scene.later(1);
        NewJob { priority, ..new_job(scene, None) }
    });
    let fresh = [1, -1, 0, 2].map(|priority| {
        scene.later(1);
        NewJob { priority, ..new_job(scene, None) }
    });
    let [as_high, as_low, between, highest] = &fresh;
    enqueue(scene, &[&low, &high]).await;
    assert_eq!(claim(scene, 100).await.len(), 2);
    // Each is younger than the two jobs, but older than their claims.
    enqueue(scene, &[between, as_low, highest, as_high]).await;
    scene.clock.advance(LEASE);
    let in_order = [highest.id, high.id, as_high.id, between.id, low.id, as_low.id];
    let mut claimed = ids(&claim(scene, 2).await);
    claimed.extend(ids(&claim(scene, 100).await));
    assert_eq!(claimed, in_order);
}
