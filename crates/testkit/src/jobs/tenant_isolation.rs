//! Tests that units of a tenant or of a user neither see nor change the jobs of others.

use tenantry_jobs::{Enqueued, JobClaims, JobId, JobQueue, NewJob, Settlement};
use tenantry_kernel::StoreError;

use super::{
    JobPorts, LEASE, QUEUE, claim_one, claiming, clear, complete, dead, enqueue, expected, has_due, new_job, retry_at,
    secret_until, shown,
};
use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

pub(super) async fn every_scope_enqueues_its_own(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let person = TestScope::Person(acme.owner.id);
    for (scope, tenant) in [
        (acme.scope(), Some(acme.id())),
        (acme.scope(), None),
        (person, None),
        (TestScope::System, Some(acme.id())),
        (TestScope::System, None),
    ] {
        let job = NewJob { unique_key: Some("one".to_owned()), ..new_job(scene, tenant) };
        let enqueued = scene.change(scope, async |unit| unit.enqueue_job(&job).await.unwrap()).await;
        assert_eq!(enqueued, Enqueued::Added, "{scope:?}");
        let duplicate = NewJob { id: JobId::new(&scene.context), ..job.clone() };
        let enqueued = scene.change(scope, async |unit| unit.enqueue_job(&duplicate).await.unwrap()).await;
        assert_eq!(enqueued, Enqueued::Duplicate, "{scope:?}");
        let claimed = claim_one(scene).await;
        assert_eq!(shown(&claimed.job), expected(&job, 1), "{scope:?}");
        assert!(complete(scene, claimed.claim).await);
    }
}

pub(super) async fn te1_a_job_of_another_tenant_is_refused(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    for (scope, tenant) in [
        (acme.scope(), globex.id()),
        (acme.scope_of(globex.owner.id), globex.id()),
        (TestScope::Person(globex.owner.id), globex.id()),
        (TestScope::Person(acme.owner.id), globex.id()),
    ] {
        let job = new_job(scene, Some(tenant));
        scene
            .change(scope, async |unit| {
                must_be!(unit.enqueue_job(&job).await, Err(StoreError::Misuse(_)));
            })
            .await;
        assert!(!has_due(scene).await, "{scope:?}");
    }
}

/// Units of a tenant may not read or run jobs, not even those of their own tenant.
pub(super) async fn te1_only_system_units_work(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let scopes = [acme.scope(), TestScope::Person(acme.owner.id)];
    let secret = Some(secret_until(scene.context.now()));
    let job = NewJob { secret, ..new_job(scene, Some(acme.id())) };
    enqueue(scene, &[&job]).await;
    let (command, now) = claiming(scene, 100);
    for scope in scopes {
        scene
            .look_as(scope, async |unit| {
                must_be!(unit.has_due_jobs(&[QUEUE], &[], now).await, Err(StoreError::Misuse(_)))
            })
            .await;
        scene
            .change(scope, async |unit| {
                must_be!(unit.claim_jobs(command, now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.blank_expired_secrets(now).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
    let claimed = claim_one(scene).await;
    assert_eq!(shown(&claimed.job), expected(&job, 1));
    for scope in scopes {
        scene
            .change(scope, async |unit| {
                must_be!(unit.complete_job(claimed.claim, now).await, Err(StoreError::Misuse(_)));
                for outcome in [retry_at(now), dead()] {
                    let settlement = Settlement { claim: claimed.claim, outcome };
                    must_be!(unit.settle_jobs(&[settlement], now).await, Err(StoreError::Misuse(_)));
                }
            })
            .await;
    }
    scene.clock.advance(LEASE);
    let again = claim_one(scene).await;
    assert_eq!(shown(&again.job), expected(&job, 2), "nothing of it was changed");
    assert!(complete(scene, again.claim).await);
}
