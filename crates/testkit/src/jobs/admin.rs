//! Tests of how users see and manage jobs.

use tenantry_jobs::{JobAdmin, JobFilter, JobId, JobState, JobStatus, NewJob};
use tenantry_kernel::{Direction, PageRequest, StoreError};

use super::{
    JobPorts, LEASE, blank, claim, claim_one, clear, complete, dead, enqueue, fail, ids, new_job, secret_until,
};
use crate::{
    scene::{SampleTenant, Scene},
    units::{TestScope, Units},
};

async fn shown(scene: &Scene<'_, impl Units<Unit: JobPorts>>, scope: TestScope, id: JobId) -> Option<JobStatus> {
    scene.look_as(scope, async |unit| unit.job_by_id(id).await.unwrap()).await
}

async fn state(scene: &Scene<'_, impl Units<Unit: JobPorts>>, id: JobId) -> JobState {
    shown(scene, TestScope::System, id).await.unwrap().state
}

async fn retry(scene: &Scene<'_, impl Units<Unit: JobPorts>>, scope: TestScope, id: JobId) -> bool {
    let now = scene.context.now();
    scene.change(scope, async |unit| unit.retry_job(id, now).await.unwrap()).await
}

async fn cancel(scene: &Scene<'_, impl Units<Unit: JobPorts>>, scope: TestScope, id: JobId) -> bool {
    let now = scene.context.now();
    scene.change(scope, async |unit| unit.cancel_job(id, now).await.unwrap()).await
}

async fn dead_letter(scene: &Scene<'_, impl Units<Unit: JobPorts>>, job: &NewJob) {
    enqueue(scene, &[job]).await;
    let claimed = claim_one(scene).await;
    assert!(fail(scene, claimed.claim, &dead()).await);
}

fn newest(limit: u32, after: Option<JobId>) -> PageRequest<JobId> {
    PageRequest { limit, after, direction: Direction::Descending }
}

pub(super) async fn a_job_is_shown_as_it_stands(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let job = NewJob { secret: Some(secret_until(scene.later(5))), ..new_job(scene, Some(acme.id())) };
    dead_letter(scene, &job).await;
    let wanted = JobStatus {
        id: job.id,
        tenant: Some(acme.id()),
        queue: job.queue.to_owned(),
        kind: job.kind.to_owned(),
        state: JobState::Dead,
        attempt: 1,
        max_attempts: 3,
        run_at: job.run_at,
        last_error: Some("it rained".to_owned()),
        result: None,
        created_at: job.created_at,
        finished_at: Some(scene.context.now()),
    };
    assert_eq!(shown(scene, acme.scope(), job.id).await.as_ref(), Some(&wanted));
    let told = r#"{"rows":3}"#;
    scene.system(async |unit| unit.put_job_result(job.id, told).await.unwrap()).await;
    let wanted = JobStatus { result: Some(told.to_owned()), ..wanted };
    assert_eq!(shown(scene, TestScope::System, job.id).await, Some(wanted));
    scene
        .change(acme.scope(), async |unit| {
            must_be!(unit.put_job_result(job.id, told).await, Err(StoreError::Misuse(_)));
        })
        .await;
}

pub(super) async fn pages_run_by_id_and_keep_to_their_filter(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let mut jobs = Vec::new();
    for (queue, kind) in [("errands", "errand"), ("errands", "walk"), ("post", "errand"), ("errands", "errand")] {
        scene.later(1);
        jobs.push(NewJob { queue, kind, ..new_job(scene, Some(acme.id())) });
    }
    enqueue(scene, &jobs.iter().collect::<Vec<_>>()).await;
    assert!(cancel(scene, acme.scope(), jobs[0].id).await);
    let page = async |scope, filter: JobFilter, page| {
        let page = scene.look_as(scope, async |unit| unit.page_jobs(&filter, page).await.unwrap()).await;
        (page.items.into_iter().map(|job| job.id).collect::<Vec<_>>(), page.next)
    };
    let own = acme.scope();
    let all: Vec<JobId> = jobs.iter().rev().map(|job| job.id).collect();
    assert_eq!(page(own, JobFilter::default(), newest(3, None)).await, (all[..3].to_vec(), Some(all[2])));
    assert_eq!(page(own, JobFilter::default(), newest(3, Some(all[2]))).await, (all[3..].to_vec(), None));
    let post = JobFilter { queue: Some("post".to_owned()), ..JobFilter::default() };
    assert_eq!(page(own, post, newest(9, None)).await.0, [jobs[2].id]);
    let walks = JobFilter { kind: Some("walk".to_owned()), ..JobFilter::default() };
    assert_eq!(page(own, walks, newest(9, None)).await.0, [jobs[1].id]);
    let off = JobFilter { state: Some(JobState::Cancelled), ..JobFilter::default() };
    assert_eq!(page(own, off, newest(9, None)).await.0, [jobs[0].id]);
    let of_tenant = JobFilter { tenant: Some(acme.id()), ..JobFilter::default() };
    assert_eq!(page(TestScope::System, of_tenant, newest(9, None)).await.0, all);
    for job in &jobs[1..] {
        assert!(cancel(scene, acme.scope(), job.id).await);
    }
}

pub(super) async fn queues_are_counted_by_state(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let (done, dead) = (new_job(scene, Some(acme.id())), new_job(scene, Some(acme.id())));
    enqueue(scene, &[&done]).await;
    assert!(complete(scene, claim_one(scene).await.claim).await);
    dead_letter(scene, &dead).await;
    let running = new_job(scene, Some(acme.id()));
    enqueue(scene, &[&running]).await;
    let running = claim_one(scene).await;
    let (first, second) = (new_job(scene, Some(acme.id())), new_job(scene, Some(acme.id())));
    let since = scene.later(1);
    let waiting = NewJob { run_at: since.plus(LEASE), ..new_job(scene, Some(acme.id())) };
    enqueue(scene, &[&first, &second, &waiting]).await;
    let stats = scene.look_as(acme.scope(), async |unit| unit.queue_stats(done.created_at).await.unwrap()).await;
    assert_eq!(stats.len(), 1, "{stats:?}");
    let figures = &stats[0].figures;
    assert_eq!((figures.ready, figures.scheduled, figures.running, figures.dead), (2, 1, 1, 1));
    assert_eq!((stats[0].completed, figures.oldest_ready), (1, Some(first.run_at)));
    assert_eq!(figures.next_scheduled, Some(waiting.run_at));
    let stats = scene.look_as(acme.scope(), async |unit| unit.queue_stats(since).await.unwrap()).await;
    assert_eq!(stats[0].completed, 0, "it was completed before that");
    let of_all = scene.look(async |unit| unit.queue_figures().await.unwrap()).await;
    let of_all = of_all.iter().find(|figures| figures.queue == done.queue).unwrap();
    // Other scenarios leave dead letters.
    assert_eq!((of_all.ready, of_all.scheduled, of_all.running), (2, 1, 1), "{of_all:?}");
    assert!(of_all.dead >= 1 && of_all.oldest_ready == Some(first.run_at), "{of_all:?}");
    assert_eq!(of_all.next_scheduled, Some(waiting.run_at));
    scene.look_as(acme.scope(), async |unit| must_be!(unit.queue_figures().await, Err(StoreError::Misuse(_)))).await;
    assert!(complete(scene, running.claim).await);
}

pub(super) async fn a_dead_or_cancelled_job_is_retried_with_all_its_attempts(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let job = new_job(scene, Some(acme.id()));
    dead_letter(scene, &job).await;
    scene.later(7);
    assert!(retry(scene, acme.scope(), job.id).await);
    let retried = shown(scene, acme.scope(), job.id).await.unwrap();
    assert_eq!((retried.state, retried.attempt, retried.finished_at), (JobState::Ready, 0, None));
    assert_eq!(retried.run_at, scene.context.now());
    assert!(!retry(scene, acme.scope(), job.id).await, "it is ready already");
    assert!(cancel(scene, acme.scope(), job.id).await);
    assert!(retry(scene, TestScope::System, job.id).await);
    let again = claim_one(scene).await;
    assert_eq!((again.job.id, again.job.attempt), (job.id, 1));
    assert!(!retry(scene, acme.scope(), job.id).await, "it is under way");
    assert!(complete(scene, again.claim).await);
    assert!(!retry(scene, acme.scope(), job.id).await, "it is done");
    assert_eq!(state(scene, job.id).await, JobState::Completed);
}

pub(super) async fn a_job_is_not_retried_beside_a_live_one_of_its_key(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let job = NewJob { unique_key: Some("report".to_owned()), ..new_job(scene, Some(acme.id())) };
    dead_letter(scene, &job).await;
    let live = NewJob { id: JobId::new(&scene.context), ..job.clone() };
    enqueue(scene, &[&live]).await;
    assert!(!retry(scene, acme.scope(), job.id).await);
    assert_eq!(state(scene, job.id).await, JobState::Dead);
    assert!(complete(scene, claim_one(scene).await.claim).await);
    assert!(retry(scene, acme.scope(), job.id).await);
}

pub(super) async fn only_a_waiting_job_is_cancelled_and_its_secret_is_blanked(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let now = scene.context.now();
    let secret = Some(secret_until(now.plus(LEASE)));
    let ready = NewJob { secret: secret.clone(), ..new_job(scene, Some(acme.id())) };
    let scheduled = NewJob { secret, run_at: now.plus(LEASE), ..new_job(scene, Some(acme.id())) };
    enqueue(scene, &[&ready, &scheduled]).await;
    for job in [&ready, &scheduled] {
        assert!(cancel(scene, acme.scope(), job.id).await);
        assert_eq!(state(scene, job.id).await, JobState::Cancelled);
        assert!(!cancel(scene, acme.scope(), job.id).await, "it is cancelled already");
    }
    scene.clock.advance(LEASE);
    assert_eq!(ids(&claim(scene, 100).await), []);
    assert!(retry(scene, acme.scope(), ready.id).await);
    let claimed = claim_one(scene).await;
    assert!(claimed.job.secret.is_none(), "its secret was blanked");
    assert!(!cancel(scene, acme.scope(), ready.id).await, "it is under way");
    assert!(complete(scene, claimed.claim).await);
    assert!(!cancel(scene, acme.scope(), ready.id).await, "it is done");
}

pub(super) async fn a_job_lacks_the_secret_that_has_expired_or_is_gone(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let acme = scene.tenant().await;
    let ends = scene.context.now().plus(LEASE);
    let email = |link: &str| NewJob {
        kind: "mail",
        payload: format!(r#"{{"to":"ada@example.com","link":{link},"mail":"invite"}}"#),
        ..new_job(scene, Some(acme.id()))
    };
    let with_link = NewJob { secret: Some(secret_until(ends)), ..email("\"invite\"") };
    let cancelled = NewJob { id: JobId::new(&scene.context), ..with_link.clone() };
    let (plain, errand) = (email("null"), new_job(scene, Some(acme.id())));
    enqueue(scene, &[&with_link, &cancelled, &plain, &errand]).await;
    for job in [&with_link, &plain, &errand] {
        assert!(!lacks_secret(scene, acme.scope(), job.id).await, "{}", job.payload);
    }
    assert!(cancel(scene, acme.scope(), cancelled.id).await);
    assert!(lacks_secret(scene, acme.scope(), cancelled.id).await, "it was deleted");
    let globex = scene.tenant().await;
    assert!(!lacks_secret(scene, globex.scope(), cancelled.id).await, "another tenant hears nothing of it");
    scene.clock.set(ends);
    assert!(lacks_secret(scene, acme.scope(), with_link.id).await, "it has expired");
    blank(scene).await;
    assert!(lacks_secret(scene, TestScope::System, with_link.id).await, "and was blanked");
    assert!(!lacks_secret(scene, acme.scope(), plain.id).await);
    for job in [&with_link, &plain, &errand] {
        assert!(cancel(scene, acme.scope(), job.id).await);
    }
}

async fn lacks_secret(scene: &Scene<'_, impl Units<Unit: JobPorts>>, scope: TestScope, id: JobId) -> bool {
    let now = scene.context.now();
    scene.look_as(scope, async |unit| unit.lacks_secret(id, now).await.unwrap()).await
}

pub(super) async fn te1_another_tenants_jobs_are_not_there(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    clear(scene).await;
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    for tenant in [Some(globex.id()), None] {
        let (waiting, dead) = (new_job(scene, tenant), new_job(scene, tenant));
        dead_letter(scene, &dead).await;
        enqueue(scene, &[&waiting]).await;
        for scope in [acme.scope(), acme.scope_of(globex.owner.id)] {
            assert_eq!(shown(scene, scope, waiting.id).await, None);
            assert!(!cancel(scene, scope, waiting.id).await);
            assert!(!retry(scene, scope, dead.id).await);
            let everything = JobFilter { tenant, ..JobFilter::default() };
            let seen =
                scene.look_as(scope, async |unit| unit.page_jobs(&everything, newest(100, None)).await.unwrap()).await;
            assert_eq!(seen.items, []);
            let stats = scene.look_as(scope, async |unit| unit.queue_stats(waiting.created_at).await.unwrap()).await;
            assert_eq!(stats, []);
        }
        assert_eq!(state(scene, waiting.id).await, JobState::Ready);
        assert_eq!(state(scene, dead.id).await, JobState::Dead);
        assert!(complete(scene, claim_one(scene).await.claim).await);
    }
    nobody_without_a_tenant_looks(scene, &acme).await;
}

async fn nobody_without_a_tenant_looks(scene: &Scene<'_, impl Units<Unit: JobPorts>>, acme: &SampleTenant) {
    let job = new_job(scene, Some(acme.id()));
    let scope = TestScope::Person(acme.owner.id);
    scene.look_as(scope, async |unit| must_be!(unit.job_by_id(job.id).await, Err(StoreError::Misuse(_)))).await;
    let now = scene.context.now();
    scene
        .change(scope, async |unit| {
            must_be!(unit.retry_job(job.id, now).await, Err(StoreError::Misuse(_)));
            must_be!(unit.cancel_job(job.id, now).await, Err(StoreError::Misuse(_)));
        })
        .await;
}
