//! Tests of calls with many jobs.

use std::collections::HashSet;
use tenantry_jobs::{
    AttemptOutcome, Claim, ClaimJobs, Claims, Enqueued, JobClaims, JobId, JobQueue, NewJob, Settlement,
};
use tenantry_kernel::TenantId;

use super::{
    JobPorts, LEASE, claim, claim_one, claiming, clear, complete, dead, enqueue, has_due, ids, new_job, retry_at,
    secret_until,
};
use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

pub(super) async fn what_became_of_many_is_noted_at_once(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let now = scene.context.now();
    let until = now.plus(LEASE / 2);
    let outcomes = [
        AttemptOutcome::Completed,
        retry_at(until),
        dead(),
        AttemptOutcome::Discarded { error: "it makes no sense".to_owned() },
        AttemptOutcome::Snoozed { until },
        AttemptOutcome::HandedBack,
    ];
    let secret = Some(secret_until(now.plus(99 * LEASE)));
    let jobs: Vec<NewJob> =
        (0..2 * outcomes.len()).map(|_| NewJob { secret: secret.clone(), ..new_job(scene, None) }).collect();
    enqueue(scene, &jobs.iter().collect::<Vec<_>>()).await;
    let claims: Vec<Claim> = claim(scene, 100).await.iter().map(|claimed| claimed.claim).collect();
    // Each outcome is reported once by the right claim and once by a wrong one, in turn.
    let (good, others) = claims.split_at(outcomes.len());
    let late: Vec<Claim> = others.iter().map(|claim| Claim { token: scene.context.uuid_v7(), ..*claim }).collect();
    let said =
        good.iter().zip(&late).zip(&outcomes).flat_map(|((good, late), outcome)| {
            [*good, *late].map(|claim| Settlement { claim, outcome: outcome.clone() })
        });
    let said: Vec<Settlement> = said.collect();
    let refused = scene.system(async |unit| unit.settle_jobs(&said, now).await.unwrap()).await;
    assert_eq!(refused.iter().collect::<HashSet<_>>(), late.iter().collect(), "the late ones");
    assert_eq!(refused.len(), late.len(), "each once");

    let [_, retried, dead, _, snoozed, handed_back] = good[..] else { panic!("six outcomes") };
    let again = claim_one(scene).await;
    assert_eq!((again.job.id, again.job.attempt), (handed_back.job, 1));
    scene.clock.set(until);
    let mut again: Vec<_> = claim(scene, 100).await.iter().map(|it| (it.job.id, it.job.attempt)).collect();
    let mut expected = [(retried.job, 2), (snoozed.job, 1)];
    again.sort();
    expected.sort();
    assert_eq!(again, expected);
    for claim in others {
        assert!(complete(scene, *claim).await, "of those of the late ones nothing was changed");
    }
    assert_eq!(scene.system(async |unit| unit.settle_jobs(&[], now).await.unwrap()).await, []);
    scene.clock.advance(99 * LEASE);
    // Of the dead job, the discarded one, the retried one, the waiting one and the returned one.
    assert_eq!(super::blank(scene).await, 5, "{}", dead.job);
}

/// A worker that reclaims a job whose claim it never reported on reports on both claims at once.
pub(super) async fn fa7_of_two_claims_to_a_job_the_late_one_is_refused(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    for late_is_first in [true, false] {
        clear(scene).await;
        enqueue(scene, &[&new_job(scene, None), &new_job(scene, None)]).await;
        let late = claim(scene, 100).await[0].claim;
        scene.clock.advance(LEASE);
        let mut claims: Vec<Claim> = claim(scene, 100).await.iter().map(|claimed| claimed.claim).collect();
        claims.insert(if late_is_first { 0 } else { claims.len() }, late);
        let (now, until) = (scene.context.now(), scene.context.now().plus(LEASE));
        let refused = scene.system(async |unit| unit.extend_claims(&claims, until).await.unwrap()).await;
        assert_eq!(refused, [late]);
        let done = claims.iter().map(|claim| Settlement { claim: *claim, outcome: AttemptOutcome::Completed });
        let done: Vec<Settlement> = done.collect();
        assert_eq!(scene.system(async |unit| unit.settle_jobs(&done, now).await.unwrap()).await, [late]);
    }
}

/// More rows than any statement takes.
const MANY: usize = 1_200;

async fn enqueue_all(scene: &Scene<'_, impl Units<Unit: JobPorts>>, jobs: &[NewJob]) -> Vec<Enqueued> {
    scene.system(async |unit| unit.enqueue_jobs(jobs).await.unwrap()).await
}

async fn claim_all(scene: &Scene<'_, impl Units<Unit: JobPorts>>) -> HashSet<JobId> {
    let mut found = HashSet::new();
    while has_due(scene).await {
        let claimed = claim(scene, 3_000).await;
        found.extend(ids(&claimed));
        let done = claimed.iter().map(|it| Settlement { claim: it.claim, outcome: AttemptOutcome::Completed });
        let (done, now) = (done.collect::<Vec<_>>(), scene.context.now());
        assert_eq!(scene.system(async |unit| unit.settle_jobs(&done, now).await.unwrap()).await, []);
    }
    found
}

pub(super) async fn many_are_enqueued_at_once(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let jobs: Vec<NewJob> = (0..MANY).map(|i| new_job(scene, (i % 2 == 0).then_some(acme.id()))).collect();
    assert_eq!(enqueue_all(scene, &jobs).await, vec![Enqueued::Added; MANY]);
    assert_eq!(claim_all(scene).await, jobs.iter().map(|job| job.id).collect());
    assert_eq!(enqueue_all(scene, &[]).await, []);
}

pub(super) async fn of_many_the_second_of_a_key_is_left_out(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let keyed = |tenant: TenantId, key: usize| NewJob {
        unique_key: Some(format!("report/{key}")),
        ..new_job(scene, Some(tenant))
    };
    // Keys 0 to 49 of one tenant are taken already. The same number of keys of the other tenant do not affect it.
    let before: Vec<NewJob> = (0..50).flat_map(|key| [keyed(acme.id(), key), keyed(globex.id(), key + 500)]).collect();
    assert!(enqueue_all(scene, &before).await.iter().all(|it| *it == Enqueued::Added));
    let jobs: Vec<NewJob> = (0..MANY)
        .map(|i| match i % 3 {
            0 => keyed(acme.id(), i % 600),
            _ => new_job(scene, Some(acme.id())),
        })
        .collect();
    let mut live: HashSet<Option<String>> =
        before.iter().filter(|job| job.tenant == Some(acme.id())).map(|job| job.unique_key.clone()).collect();
    let is_new = |job: &NewJob| job.unique_key.is_none() || live.insert(job.unique_key.clone());
    let expected: Vec<Enqueued> =
        jobs.iter().map(is_new).map(|is_new| if is_new { Enqueued::Added } else { Enqueued::Duplicate }).collect();
    let outcomes = scene.change(acme.scope(), async |unit| unit.enqueue_jobs(&jobs).await.unwrap()).await;
    assert_eq!(outcomes, expected, "of each in its place");
    assert!(outcomes.contains(&Enqueued::Duplicate) && outcomes.contains(&Enqueued::Added));
    let added = jobs.iter().zip(&outcomes).filter(|(_, it)| **it == Enqueued::Added).map(|(job, _)| job.id);
    let live: HashSet<JobId> = added.chain(before.iter().map(|job| job.id)).collect();
    assert_eq!(claim_all(scene).await, live);
}

pub(super) async fn te1_one_job_of_another_tenant_refuses_all(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let mut jobs: Vec<NewJob> = (0..5).map(|_| new_job(scene, Some(acme.id()))).collect();
    jobs.push(new_job(scene, Some(globex.id())));
    let mut unit = scene.units.begin(TestScope::Tenant { tenant: acme.id(), person: acme.owner.id }).await;
    must_be!(unit.enqueue_jobs(&jobs).await, Err(tenantry_kernel::StoreError::Misuse(_)));
    drop(unit);
    assert!(!has_due(scene).await);
}

pub(super) async fn only_time_that_was_noted_makes_jobs_ready(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let later = NewJob { run_at: scene.context.now().plus(LEASE), ..new_job(scene, None) };
    let abandoned = new_job(scene, None);
    enqueue(scene, &[&abandoned, &later]).await;
    claim_one(scene).await;
    scene.clock.advance(LEASE);
    assert!(has_due(scene).await, "there is something to note");
    let (command, now) = claiming(scene, 100);
    let claims = |command: ClaimJobs<'static>| async move {
        scene.system(async |unit| unit.claim_jobs(command, now).await.unwrap()).await
    };
    let Claims { jobs, .. } = claims(command).await;
    assert_eq!(ids(&jobs), [], "neither is ready yet");
    assert_eq!(scene.system(async |unit| unit.advance_jobs(now).await.unwrap()).await, []);
    let found: HashSet<JobId> = ids(&claims(command).await.jobs).into_iter().collect();
    assert_eq!(found, HashSet::from([later.id, abandoned.id]));
}
