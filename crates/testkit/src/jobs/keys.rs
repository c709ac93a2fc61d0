//! Tests of unique keys: at most one live job of a tenant and kind has a given key.

use futures::future::join_all;
use tenantry_jobs::{Enqueued, JobClaims, JobId, JobQueue, NewJob};
use tenantry_kernel::TenantId;
use uuid::Uuid;

use super::{
    JobPorts, LEASE, claim, claim_one, clear, complete, dead, enqueue, expected, fail, has_due, new_job, retry_at,
    shown,
};
use crate::{scene::Scene, units::Units};

fn keyed(scene: &Scene<'_, impl Units>, tenant: Option<TenantId>, kind: &'static str, key: &str) -> NewJob {
    NewJob { kind, unique_key: Some(key.to_owned()), ..new_job(scene, tenant) }
}

/// Tries to enqueue another job of the same key.
async fn another(scene: &Scene<'_, impl Units<Unit: JobPorts>>, job: &NewJob) -> Enqueued {
    let duplicate = NewJob { id: JobId::new(&scene.context), payload: "{}".to_owned(), ..job.clone() };
    scene.system(async |unit| unit.enqueue_job(&duplicate).await.unwrap()).await
}

pub(super) async fn a_live_job_keeps_its_key(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let job = keyed(scene, Some(acme.id()), "report", "weekly");
    let duplicate = NewJob { id: JobId::new(&scene.context), payload: "{}".to_owned(), ..job.clone() };
    let unlike = NewJob { priority: -1, ..keyed(scene, Some(acme.id()), "report", "daily") };
    scene
        .change(acme.scope(), async |unit| {
            assert_eq!(unit.enqueue_job(&job).await.unwrap(), Enqueued::Added);
            assert_eq!(unit.enqueue_job(&duplicate).await.unwrap(), Enqueued::Duplicate);
            assert_eq!(unit.enqueue_job(&unlike).await.unwrap(), Enqueued::Added, "the unit is usable still");
        })
        .await;
    assert_eq!(another(scene, &job).await, Enqueued::Duplicate, "while it waits");
    let first = claim(scene, 1).await.remove(0);
    assert_eq!(first.job.id, job.id);
    assert_eq!(another(scene, &job).await, Enqueued::Duplicate, "while it runs");
    assert!(fail(scene, first.claim, &retry_at(scene.context.now())).await);
    assert_eq!(another(scene, &job).await, Enqueued::Duplicate, "while it waits to be tried again");
    assert_eq!(claim(scene, 100).await.len(), 2);
    scene.clock.advance(LEASE);
    assert_eq!(another(scene, &job).await, Enqueued::Duplicate, "when its lease has ended");
    let mut found: Vec<String> = claim(scene, 100).await.iter().map(|claimed| shown(&claimed.job)).collect();
    let mut all = [expected(&job, 3), expected(&unlike, 2)];
    found.sort();
    all.sort();
    assert_eq!(found, all, "nothing was added, and the first stayed as it was");
}

pub(super) async fn a_key_is_free_once_its_job_is_over(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let job = NewJob { max_attempts: 1, ..keyed(scene, Some(acme.id()), "report", "weekly") };
    enqueue(scene, &[&job]).await;
    assert!(complete(scene, claim_one(scene).await.claim).await);
    assert_eq!(another(scene, &job).await, Enqueued::Added, "done");
    assert!(fail(scene, claim_one(scene).await.claim, &dead()).await);
    assert_eq!(another(scene, &job).await, Enqueued::Added, "given up");
    claim_one(scene).await;
    scene.clock.advance(LEASE);
    assert!(claim(scene, 1).await.is_empty());
    assert_eq!(another(scene, &job).await, Enqueued::Added, "given up with its lease");

    // A job that is its own successor frees its key in the unit that enqueues the next.
    let (claimed, next) = (claim_one(scene).await, NewJob { id: JobId::new(&scene.context), ..job.clone() });
    let now = scene.context.now();
    scene
        .system(async |unit| {
            assert!(unit.complete_job(claimed.claim, now).await.unwrap());
            assert_eq!(unit.enqueue_job(&next).await.unwrap(), Enqueued::Added);
        })
        .await;
    assert_eq!(claim_one(scene).await.job.id, next.id);
}

pub(super) async fn of_many_units_one_adds_a_job_of_a_key(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let job = keyed(scene, Some(acme.id()), "report", "weekly");
    let outcomes = join_all((0..8).map(|_| another(scene, &job))).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Enqueued::Added).count(), 1, "{outcomes:?}");
    claim_one(scene).await;
}

pub(super) async fn jobs_without_a_key_never_meet(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let jobs = [None, None, Some(acme.id()), Some(acme.id())].map(|tenant| new_job(scene, tenant));
    enqueue(scene, &[&jobs[0], &jobs[1], &jobs[2], &jobs[3]]).await;
    assert_eq!(claim(scene, 100).await.len(), 4);
}

/// Each key shares a prefix, a suffix or a continuation with another key, or with a prefix that a careless store might
/// add.
pub(super) async fn te5_a_key_is_one_tenants_and_one_kinds(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let mut keys: Vec<String> =
        ["", "/", "b", "B", "b/", "/b", "b/b", "a/b", "b:b", "b|b", "b,b", "b%", "b_", "null", "größe", "gro\u{308}ße"]
            .map(str::to_owned)
            .into();
    for owner in [acme.id().uuid(), globex.id().uuid(), Uuid::nil()] {
        keys.extend([format!("{owner}"), format!("{owner}/b"), format!("/{owner}/b"), format!("a/{owner}/b")]);
    }
    let mut jobs = Vec::new();
    for tenant in [None, Some(acme.id()), Some(globex.id())] {
        for kind in ["a", "a/", "a/b"] {
            jobs.extend(keys.iter().map(|key| keyed(scene, tenant, kind, key)));
        }
    }
    enqueue(scene, &jobs.iter().collect::<Vec<_>>()).await;
    assert_only_free(scene, &jobs, None).await;
    // The end of one job leaves the others live.
    let over = claim(scene, 1).await.remove(0);
    assert!(complete(scene, over.claim).await);
    assert_only_free(scene, &jobs, Some(over.job.id)).await;
    let mut live = 0;
    while has_due(scene).await {
        live += claim(scene, 100).await.len();
    }
    assert_eq!(live, jobs.len(), "as many as before");
}

/// Checks that only the key of `free` is free: enqueueing any other job again reports the duplicate.
async fn assert_only_free(scene: &Scene<'_, impl Units<Unit: JobPorts>>, jobs: &[NewJob], free: Option<JobId>) {
    scene
        .system(async |unit| {
            for job in jobs {
                let expected = if Some(job.id) == free { Enqueued::Added } else { Enqueued::Duplicate };
                let duplicate = NewJob { id: JobId::new(&scene.context), ..job.clone() };
                let enqueued = unit.enqueue_job(&duplicate).await.unwrap();
                assert_eq!(enqueued, expected, "{:?} {} {:?}", job.tenant, job.kind, job.unique_key);
            }
        })
        .await;
}
