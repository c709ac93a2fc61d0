//! Tests of heartbeats: a worker that sends them keeps its jobs while it holds their claims.

use tenantry_jobs::{Claim, JobClaims, NewJob};
use tenantry_kernel::Timestamp;

use super::{
    JobPorts, LEASE, MILLISECOND, claim, claim_one, clear, complete, dead, enqueue, fail, has_due, ids, new_job,
    retry_at,
};
use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

async fn extend(scene: &Scene<'_, impl Units<Unit: JobClaims>>, claims: &[Claim], until: Timestamp) -> Vec<Claim> {
    scene.system(async |unit| unit.extend_claims(claims, until).await.unwrap()).await
}

pub(super) async fn fa7_a_claim_that_was_extended_lasts_until_then(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let jobs = [new_job(scene, None), NewJob { max_attempts: 1, ..new_job(scene, None) }];
    enqueue(scene, &[&jobs[0], &jobs[1]]).await;
    let claims: Vec<Claim> = claim(scene, 100).await.iter().map(|claimed| claimed.claim).collect();
    assert_eq!(claims.len(), 2);
    let mut until = scene.context.now().plus(LEASE);
    for _ in 0..5 {
        scene.clock.set(until.minus(MILLISECOND));
        assert!(!has_due(scene).await);
        assert!(claim(scene, 100).await.is_empty(), "they are their worker's still");
        until = until.plus(LEASE);
        assert_eq!(extend(scene, &claims, until).await, []);
    }
    scene.clock.set(until);
    assert!(has_due(scene).await);
    let again = claim_one(scene).await;
    assert_eq!(
        (again.job.id, again.job.attempt),
        (jobs[0].id, 2),
        "giving word cost no attempt, and the other is dead"
    );
    assert_eq!(extend(scene, &claims, scene.context.now().plus(LEASE)).await.len(), 2, "neither is valid");
    assert_eq!(extend(scene, &[], scene.context.now()).await, []);
}

pub(super) async fn fa7_a_claim_that_nobody_replaced_may_be_extended_late(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
) {
    clear(scene).await;
    enqueue(scene, &[&new_job(scene, None)]).await;
    let claimed = claim_one(scene).await;
    scene.clock.advance(3 * LEASE);
    assert!(has_due(scene).await);
    assert_eq!(extend(scene, &[claimed.claim], scene.context.now().plus(LEASE)).await, []);
    assert!(!has_due(scene).await);
    assert!(claim(scene, 100).await.is_empty());
    assert!(complete(scene, claimed.claim).await);
}

pub(super) async fn fa7_the_claims_that_are_not_good_any_more_are_told(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let jobs: Vec<NewJob> = (0..5).map(|_| new_job(scene, None)).collect();
    enqueue(scene, &jobs.iter().collect::<Vec<_>>()).await;
    let claims: Vec<Claim> = claim(scene, 100).await.iter().map(|claimed| claimed.claim).collect();
    let [good, done, failed, given_up, replaced] = claims[..] else { panic!("five were claimed") };
    let until = scene.context.now().plus(2 * LEASE);
    assert!(complete(scene, done).await);
    assert!(fail(scene, failed, &retry_at(scene.context.now().plus(9 * LEASE))).await);
    assert!(fail(scene, given_up, &dead()).await);
    assert_eq!(extend(scene, &[good], until).await, []);
    scene.clock.advance(LEASE);
    let other = claim_one(scene).await;
    assert_eq!(other.claim.job, replaced.job);

    let mut lost = extend(scene, &claims, until.plus(LEASE)).await;
    let mut expected = vec![done, failed, given_up, replaced];
    for claims in [&mut lost, &mut expected] {
        claims.sort_by_key(|claim| claim.job);
    }
    assert_eq!(lost, expected);
    scene.clock.set(until);
    assert_eq!(ids(&claim(scene, 100).await), [other.job.id], "the new lease was not extended, and the valid one was");
}

pub(super) async fn fa7_only_the_right_claim_extends(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    enqueue(scene, &[&new_job(scene, None), &new_job(scene, None)]).await;
    let (one, other) = (claim(scene, 1).await.remove(0).claim, claim(scene, 1).await.remove(0).claim);
    let until = scene.context.now().plus(9 * LEASE);
    let wrong = [Claim { token: other.token, ..one }, Claim { token: scene.context.uuid_v7(), ..other }];
    assert_eq!(extend(scene, &wrong, until).await, wrong);
    scene.clock.advance(LEASE);
    assert_eq!(claim(scene, 100).await.len(), 2, "their leases ended when they were to");
}

pub(super) async fn fa7_a_dropped_unit_has_extended_nothing(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    enqueue(scene, &[&new_job(scene, None)]).await;
    let claimed = claim_one(scene).await;
    let until = scene.context.now().plus(9 * LEASE);
    {
        let mut unit = scene.units.begin(TestScope::System).await;
        assert_eq!(unit.extend_claims(&[claimed.claim], until).await.unwrap(), []);
    }
    scene.clock.advance(LEASE);
    assert_eq!(super::claim_once_let_go(scene, 1).await[0].job.attempt, 2);
}
