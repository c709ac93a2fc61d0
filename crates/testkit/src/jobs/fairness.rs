//! Tests of fairness: tenants alternate, and none runs more jobs at a time than its limit.

use std::collections::HashMap;
use tenantry_jobs::{ClaimJobs, Claimed, FairnessCursor, JobClaims, NewJob, PayloadFormat};
use tenantry_kernel::TenantId;

use super::{JobPorts, LEASE, claiming, clear, complete, enqueue, fail, new_job, retry_at};
use crate::{
    scene::{SampleTenant, Scene},
    units::Units,
};

/// The tenant whose jobs were claimed; jobs without a tenant form one tenant key.
type TenantKey = Option<TenantId>;

/// Enqueues the given number of jobs of each tenant key, those of the first before those of the next.
async fn backlog(scene: &Scene<'_, impl Units<Unit: JobPorts>>, of: &[(TenantKey, usize)]) {
    for (tenant_key, count) in of {
        let jobs: Vec<NewJob> = (0..*count).map(|_| new_job(scene, *tenant_key)).collect();
        enqueue(scene, &jobs.iter().collect::<Vec<_>>()).await;
        scene.later(1);
    }
}

/// A worker that remembers its position among the tenants.
struct Claimer {
    cursor: FairnessCursor,
    limit: u32,
    tenant_limit: Option<u32>,
}

impl Claimer {
    fn by(limit: u32) -> Self {
        Self { cursor: FairnessCursor::default(), limit, tenant_limit: None }
    }

    async fn claim(&mut self, scene: &Scene<'_, impl Units<Unit: JobPorts>>) -> Vec<Claimed> {
        let (command, now) = claiming(scene, self.limit);
        let command = ClaimJobs { after: self.cursor, tenant_limit: self.tenant_limit, ..command };
        let claims = scene
            .system(async |unit| {
                unit.advance_jobs(now).await.unwrap();
                unit.claim_jobs(command, now).await.unwrap()
            })
            .await;
        assert_eq!(claims.unreadable, []);
        self.cursor = claims.cursor;
        claims.jobs
    }

    /// Returns how many jobs of each tenant key this number of claims returns.
    async fn claimed_by_tenant(
        &mut self,
        scene: &Scene<'_, impl Units<Unit: JobPorts>>,
        claims: usize,
    ) -> HashMap<TenantKey, usize> {
        let mut found = HashMap::new();
        for _ in 0..claims {
            for claimed in self.claim(scene).await {
                *found.entry(claimed.job.tenant).or_default() += 1;
            }
        }
        found
    }
}

fn counts<const N: usize>(of: [(TenantKey, usize); N]) -> HashMap<TenantKey, usize> {
    HashMap::from(of)
}

async fn two_tenants(scene: &Scene<'_, impl Units<Unit: JobPorts>>) -> [TenantKey; 2] {
    [scene.tenant().await, scene.tenant().await].map(|tenant: SampleTenant| Some(tenant.id()))
}

pub(super) async fn fa13_tenants_take_turns_whatever_their_backlog(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    for flood_is_first in [true, false] {
        clear(scene).await;
        let mut tenants = two_tenants(scene).await;
        tenants.sort();
        if flood_is_first {
            tenants.reverse();
        }
        let [small, flood] = tenants;
        backlog(scene, &[(flood, 40), (None, 1), (small, 2)]).await;
        let mut claimer = Claimer::by(1);
        assert_eq!(
            claimer.claimed_by_tenant(scene, 3).await,
            counts([(flood, 1), (None, 1), (small, 1)]),
            "each gets one"
        );
        assert_eq!(claimer.claimed_by_tenant(scene, 2).await, counts([(flood, 1), (small, 1)]), "of two that are left");
        assert_eq!(
            claimer.claimed_by_tenant(scene, 10).await,
            counts([(flood, 10)]),
            "no tenant waits for tenants without jobs"
        );
        backlog(scene, &[(small, 1)]).await;
        assert_eq!(claimer.claimed_by_tenant(scene, 2).await, counts([(flood, 1), (small, 1)]), "a tenant comes back");
    }
}

pub(super) async fn fa13_a_batch_is_shared(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let [acme, globex] = two_tenants(scene).await;
    backlog(scene, &[(acme, 40), (globex, 40)]).await;
    assert_eq!(Claimer::by(10).claimed_by_tenant(scene, 1).await, counts([(acme, 5), (globex, 5)]));
    backlog(scene, &[(None, 40)]).await;
    assert_eq!(
        Claimer::by(9).claimed_by_tenant(scene, 1).await,
        counts([(acme, 3), (globex, 3), (None, 3)]),
        "jobs without a tenant count as a tenant"
    );
    clear(scene).await;
    backlog(scene, &[(acme, 40), (globex, 1)]).await;
    let found = Claimer::by(10).claimed_by_tenant(scene, 1).await;
    assert_eq!(found.get(&globex), Some(&1), "with all that it has: {found:?}");
    assert!((5..=9).contains(&found[&acme]), "{found:?}");
}

pub(super) async fn fa13_a_round_goes_on_where_it_was(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let mut tenant_keys = vec![None];
    for _ in 0..4 {
        tenant_keys.push(Some(scene.tenant().await.id()));
    }
    backlog(scene, &tenant_keys.iter().map(|tenant_key| (*tenant_key, 20)).collect::<Vec<_>>()).await;
    // With a limit below the number of tenants, the later tenants wait for the next claims, which continue from there.
    for limit in [1, 2, 3] {
        let found = Claimer::by(limit).claimed_by_tenant(scene, 5).await;
        let expected = tenant_keys.iter().map(|tenant_key| (*tenant_key, usize::try_from(limit).unwrap())).collect();
        assert_eq!(found, expected, "five claims of {limit} among five");
    }
    // The tenant at which the last claim stopped may have no jobs left.
    let mut claimer = Claimer::by(1);
    let gone = claimer.claim(scene).await.remove(0).job.tenant;
    let (command, now) = claiming(scene, 100);
    scene.system(async |unit| while !unit.claim_jobs(command, now).await.unwrap().jobs.is_empty() {}).await;
    let rest: Vec<TenantKey> = tenant_keys.iter().copied().filter(|tenant_key| *tenant_key != gone).collect();
    backlog(scene, &rest.iter().map(|tenant_key| (*tenant_key, 1)).collect::<Vec<_>>()).await;
    assert_eq!(claimer.claimed_by_tenant(scene, 4).await, rest.iter().map(|tenant_key| (*tenant_key, 1)).collect());
}

pub(super) async fn fa13_priority_counts_among_a_tenants_own(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let [pushing, modest] = two_tenants(scene).await;
    let jobs: Vec<NewJob> = [(pushing, i32::MAX), (modest, i32::MIN), (modest, 0), (pushing, i32::MAX - 1)]
        .map(|(tenant_key, priority)| NewJob { priority, ..new_job(scene, tenant_key) })
        .into();
    enqueue(scene, &jobs.iter().collect::<Vec<_>>()).await;
    let mut claimer = Claimer::by(1);
    for expected in [[&jobs[0], &jobs[2]], [&jobs[3], &jobs[1]]] {
        let mut found = [claimer.claim(scene).await.remove(0).job.id, claimer.claim(scene).await.remove(0).job.id];
        let mut expected = expected.map(|job| job.id);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "one of each, and each its own greatest");
    }
}

pub(super) async fn fa13_a_tenant_runs_no_more_than_it_may(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let [acme, globex] = two_tenants(scene).await;
    backlog(scene, &[(acme, 10), (globex, 2), (None, 5)]).await;
    let mut claimer = Claimer { tenant_limit: Some(3), ..Claimer::by(30) };
    let first = claimer.claim(scene).await;
    let of =
        |tenant_key: TenantKey| first.iter().filter(|claimed| claimed.job.tenant == tenant_key).collect::<Vec<_>>();
    assert_eq!((of(acme).len(), of(globex).len(), of(None).len()), (3, 2, 3));
    assert_eq!(claimer.claimed_by_tenant(scene, 3).await, counts([]), "the rest waits for every claimer");

    let [done, failed, left] = of(acme)[..] else { panic!("three were claimed") };
    assert!(complete(scene, done.claim).await);
    assert!(fail(scene, failed.claim, &retry_at(scene.context.now().plus(9 * LEASE))).await);
    assert_eq!(claimer.claimed_by_tenant(scene, 3).await, counts([(acme, 2)]), "two places were left");
    backlog(scene, &[(globex, 5)]).await;
    assert_eq!(claimer.claimed_by_tenant(scene, 3).await, counts([(globex, 1)]), "another's places are its own");

    // Jobs without a heartbeat no longer run and are ready again.
    scene.clock.advance(LEASE);
    let found = claimer.claimed_by_tenant(scene, 1).await;
    assert_eq!(found, counts([(acme, 3), (globex, 3), (None, 3)]), "three places each again");
    assert!(!complete(scene, left.claim).await);
}

pub(super) async fn fa13_nobody_waits_for_tenants_that_have_all_they_may(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
) {
    clear(scene).await;
    for _ in 0..5 {
        backlog(scene, &[(Some(scene.tenant().await.id()), 3)]).await;
    }
    let mut claimer = Claimer { tenant_limit: Some(1), ..Claimer::by(5) };
    assert_eq!(claimer.claim(scene).await.len(), 5, "each runs one");
    let free = Some(scene.tenant().await.id());
    backlog(scene, &[(free, 2)]).await;
    let mut by_one = Claimer { limit: 1, ..claimer };
    assert_eq!(
        by_one.claimed_by_tenant(scene, 1).await,
        counts([(free, 1)]),
        "in the first claim, however few it asks for"
    );
}

pub(super) async fn fa13_the_limit_holds_for_all_queues_together(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let [acme, globex] = two_tenants(scene).await;
    backlog(scene, &[(acme, 5), (globex, 1)]).await;
    let parcels = [acme, globex].map(|tenant_key| NewJob { queue: "parcels", ..new_job(scene, tenant_key) });
    enqueue(scene, &[&parcels[0], &parcels[1]]).await;
    let mut claimer = Claimer { tenant_limit: Some(2), ..Claimer::by(20) };
    assert_eq!(claimer.claimed_by_tenant(scene, 1).await, counts([(acme, 2), (globex, 1)]));
    let (command, now) = claiming(scene, 20);
    let command = ClaimJobs { queue: "parcels", tenant_limit: Some(2), ..command };
    let claims = scene.system(async |unit| unit.claim_jobs(command, now).await.unwrap()).await;
    let found: Vec<TenantKey> = claims.jobs.iter().map(|claimed| claimed.job.tenant).collect();
    assert_eq!(found, [globex], "the other tenant runs two already");
    scene.clock.advance(LEASE);
    let command = ClaimJobs { tenant_limit: None, until: scene.context.now().plus(LEASE), ..command };
    for claimed in super::claim_by(scene, command, scene.context.now()).await {
        assert!(complete(scene, claimed.claim).await);
    }
}

pub(super) async fn queues_are_apart(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = Some(scene.tenant().await.id());
    let parcel = NewJob { queue: "parcels", priority: i32::MAX, ..new_job(scene, acme) };
    enqueue(scene, &[&parcel]).await;
    backlog(scene, &[(acme, 2)]).await;
    let errands = Claimer::by(100).claim(scene).await;
    assert_eq!(errands.len(), 2);
    assert!(errands.iter().all(|claimed| claimed.job.id != parcel.id));
    let (command, now) = claiming(scene, 100);
    for (queues, expected) in
        [(&["errands"][..], false), (&["parcels"], true), (&["errands", "parcels"], true), (&[], false)]
    {
        let found = scene.look(async |unit| unit.has_due_jobs(queues, &[], now).await.unwrap()).await;
        assert_eq!(found, expected, "{queues:?}");
    }
    let parcels = super::claim_by(scene, ClaimJobs { queue: "parcels", ..command }, now).await;
    assert_eq!(super::ids(&parcels), [parcel.id]);
    assert!(complete(scene, parcels[0].claim).await);
}

pub(super) async fn jobs_of_formats_that_a_worker_leaves_hide_no_others(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = Some(scene.tenant().await.id());
    let of = |kind, version| NewJob { kind, version, ..new_job(scene, acme) };
    let jobs = [of("errand", 2), of("parcel", 1), of("errand", 12), of("errand", 1)];
    enqueue(scene, &jobs.iter().collect::<Vec<_>>()).await;
    // A tenant without any other jobs takes no part in the rotation.
    let globex = Some(scene.tenant().await.id());
    enqueue(scene, &[&NewJob { version: 2, ..new_job(scene, globex) }]).await;
    let (command, now) = claiming(scene, 1);
    let format = |kind: &str, version| PayloadFormat { kind: kind.to_owned(), version };
    let mut except = vec![format("errand", 2), format("parcel", 1)];
    let mut claimed = Vec::new();
    for _ in 0..2 {
        let command = ClaimJobs { token: scene.context.uuid_v7(), except: &except, ..command };
        assert!(scene.look(async |unit| unit.has_due_jobs(&["errands"], &except, now).await.unwrap()).await);
        claimed.extend(super::claim_by(scene, command, now).await);
    }
    let mut versions: Vec<i32> = claimed.iter().map(|claimed| claimed.job.version).collect();
    versions.sort();
    assert_eq!(versions, [1, 12]);
    assert!(!scene.look(async |unit| unit.has_due_jobs(&["errands"], &except, now).await.unwrap()).await);
    except.pop();
    assert!(scene.look(async |unit| unit.has_due_jobs(&["errands"], &except, now).await.unwrap()).await);
    for claimed in claimed {
        assert!(complete(scene, claimed.claim).await);
    }
}
