//! Tests of which jobs are claimed, and in which order.

use futures::future::join_all;
use std::collections::HashSet;
use tenantry_jobs::{JobClaims, JobId, NewJob};

use super::{
    JobPorts, LEASE, MILLISECOND, QUEUE, claim, claim_once_let_go, claim_one, claiming, clear, complete, enqueue,
    has_due, ids, new_job,
};
use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

/// Creates jobs of these priorities in the expected order of claims, each older than the next.
async fn jobs_in_order(scene: &Scene<'_, impl Units<Unit: JobPorts>>) -> Vec<JobId> {
    let mut jobs: Vec<NewJob> = [0, -1, 5, i32::MAX, 0, 5, i32::MIN, -1, 0]
        .into_iter()
        .map(|priority| {
            scene.later(1);
            NewJob { priority, ..new_job(scene, None) }
        })
        .collect();
    // Enqueued in another order than they were created.
    enqueue(scene, &[&jobs[4], &jobs[7], &jobs[1], &jobs[5], &jobs[8], &jobs[3], &jobs[0], &jobs[6], &jobs[2]]).await;
    jobs.sort_by_key(|job| (-i64::from(job.priority), job.run_at));
    jobs.iter().map(|job| job.id).collect()
}

pub(super) async fn greater_priority_goes_first_and_then_the_oldest(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    for limit in [1, 2, 4, 9, 100] {
        clear(scene).await;
        let in_order = jobs_in_order(scene).await;
        let mut claimed = Vec::new();
        while has_due(scene).await {
            claimed.extend(ids(&claim(scene, limit).await));
        }
        assert_eq!(claimed, in_order, "by {limit}");
    }
}

pub(super) async fn a_job_waits_for_its_time(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let at = scene.context.now().plus(LEASE);
    let later = NewJob { run_at: at, priority: i32::MAX, ..new_job(scene, None) };
    let now = new_job(scene, None);
    enqueue(scene, &[&later, &now]).await;
    let first = claim_one(scene).await;
    assert_eq!(first.job.id, now.id);
    assert!(complete(scene, first.claim).await);

    scene.clock.set(at.minus(MILLISECOND));
    assert!(!has_due(scene).await);
    assert!(claim(scene, 100).await.is_empty());
    scene.clock.set(at);
    assert!(has_due(scene).await);
    let second = claim_one(scene).await;
    assert_eq!((second.job.id, second.job.attempt), (later.id, 1), "waiting has cost no attempt");
    assert!(!has_due(scene).await, "another worker has it");
    assert!(complete(scene, second.claim).await);
    assert!(!has_due(scene).await, "it is done");
}

pub(super) async fn no_more_is_claimed_than_was_asked_for(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    assert!(!has_due(scene).await);
    assert!(claim(scene, 1).await.is_empty(), "there is nothing");
    let jobs: Vec<NewJob> = (0..10).map(|_| new_job(scene, None)).collect();
    enqueue(scene, &jobs.iter().collect::<Vec<_>>()).await;
    for (limit, expected) in [(0, 0), (1, 1), (3, 3), (4, 4), (100, 2), (1, 0)] {
        assert_eq!(claim(scene, limit).await.len(), expected, "of at most {limit}");
    }
}

pub(super) async fn each_claim_counts_an_attempt(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let job = NewJob { max_attempts: 4, ..new_job(scene, None) };
    enqueue(scene, &[&job]).await;
    let mut tokens = HashSet::new();
    for attempt in 1..=4 {
        let claimed = claim_one(scene).await;
        assert_eq!((claimed.job.attempt, claimed.claim.job), (attempt, job.id));
        tokens.insert(claimed.claim.token);
        scene.clock.advance(LEASE);
    }
    assert_eq!(tokens.len(), 4, "each claim has the token that it was made with");
}

pub(super) async fn a_dropped_unit_has_claimed_nothing(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let job = new_job(scene, None);
    enqueue(scene, &[&job]).await;
    let (command, now) = claiming(scene, 1);
    {
        let mut unit = scene.units.begin(TestScope::System).await;
        assert_eq!(unit.claim_jobs(command, now).await.unwrap().jobs.len(), 1);
        assert!(!unit.has_due_jobs(&[QUEUE], &[], now).await.unwrap());
    }
    assert!(has_due(scene).await);
    let claimed = claim_once_let_go(scene, 1).await.remove(0);
    assert_eq!((claimed.job.id, claimed.job.attempt), (job.id, 1), "the try that never was is not counted");
}

pub(super) async fn fa7_two_units_never_claim_the_same_job(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    for with_leases in [false, true] {
        clear(scene).await;
        let jobs: Vec<NewJob> = (0..30).map(|_| new_job(scene, None)).collect();
        enqueue(scene, &jobs.iter().collect::<Vec<_>>()).await;
        if with_leases {
            // All of them were claimed before, by a worker that has stopped.
            assert_eq!(claim(scene, 100).await.len(), jobs.len());
            scene.clock.advance(LEASE);
        }
        let mut claimed: Vec<JobId> =
            join_all((0..8).map(|_| claim(scene, 4))).await.iter().flat_map(|claimed| ids(claimed)).collect();
        // The jobs that a unit skipped because another unit held them.
        claimed.extend(ids(&claim(scene, 100).await));
        claimed.sort();
        let mut expected: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        expected.sort();
        assert_eq!(claimed, expected, "each once");
    }
}
