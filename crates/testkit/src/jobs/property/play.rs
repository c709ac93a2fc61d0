//! Plays a history to a store and to the model.

use std::time::Duration;
use tenantry_jobs::{
    AttemptOutcome, Claim, FairnessCursor, JobAdmin, JobClaims, JobFilter, JobId, JobState, Settlement,
};
use tenantry_kernel::{Direction, PageRequest, StoreError, Timestamp};
use uuid::Builder;

use super::{
    model::{Checked, Model, Seen, TenantKey, ensure},
    steps::{QUEUES, Step, TENANT_KEYS, WORKERS},
};
use crate::{
    jobs::JobPorts,
    paging::all_pages,
    scene::{SampleTenant, Scene},
    units::{TestScope, Units},
};

const DAY: Duration = Duration::from_secs(86_400);
const PAGE: u32 = 100;

/// The tenants that own the jobs. Their order is the same in each run as far as the store can see.
pub(super) struct Cast(Vec<SampleTenant>);

impl Cast {
    pub(super) async fn of(scene: &Scene<'_, impl Units<Unit: JobPorts>>) -> Self {
        let mut tenants = Vec::new();
        for _ in 1..TENANT_KEYS {
            tenants.push(scene.tenant().await);
        }
        tenants.sort_by_key(SampleTenant::id);
        Self(tenants)
    }

    pub(super) fn tenant_key(&self, tenant_key: usize) -> TenantKey {
        tenant_key.checked_sub(1).map(|tenant| self.0[tenant].id())
    }

    /// Returns the scope of a request that may enqueue jobs of this tenant key and of no other tenant.
    pub(super) fn scope(&self, tenant_key: usize) -> TestScope {
        match tenant_key.checked_sub(1) {
            Some(tenant) => self.0[tenant].scope(),
            None => TestScope::Person(self.0[0].owner.id),
        }
    }
}

/// A worker as the queue sees it.
#[derive(Default)]
pub(super) struct Worker {
    pub(super) held: Vec<Claim>,
    pub(super) cursors: [FairnessCursor; QUEUES.len()],
}

/// A history in progress.
pub(super) struct Play<'p, 'u, U> {
    pub(super) scene: &'p Scene<'u, U>,
    pub(super) cast: &'p Cast,
    pub(super) model: Model,
    pub(super) workers: [Worker; WORKERS],
    /// Every claim that the store ever returned.
    pub(super) given: Vec<Claim>,
    /// Sorts before every job of this history and after those of earlier histories.
    first: JobId,
    made: u16,
}

impl<'p, 'u, U: Units<Unit: JobPorts>> Play<'p, 'u, U> {
    /// Starts on a queue without pending jobs.
    pub(super) async fn of(scene: &'p Scene<'u, U>, cast: &'p Cast) -> Self {
        scene.clock.advance(2 * DAY);
        while !cancel_everything(scene).await {}
        let first =
            JobId::from_uuid(Builder::from_unix_timestamp_millis(millis(scene.context.now()), &[0; 10]).into_uuid());
        let workers = std::array::from_fn(|_| Worker::default());
        Self { scene, cast, model: Model::default(), workers, given: vec![], first, made: 0 }
    }

    /// Plays all steps, then completes every remaining job.
    pub(super) async fn run(mut self, steps: &[Step]) -> Checked<Seen> {
        for (number, step) in steps.iter().enumerate() {
            self.step(step).await.map_err(|objection| format!("step {number}: {objection}"))?;
            self.compare().await.map_err(|objection| format!("after step {number}: {objection}"))?;
        }
        self.drain().await.map_err(|objection| format!("at the end: {objection}"))?;
        Ok(self.model.seen)
    }

    /// Returns ids in order of creation, so that a history has the same order of jobs in each run.
    pub(super) fn new_id(&mut self) -> JobId {
        self.made += 1;
        let mut bytes: [u8; 10] = self.scene.context.random();
        bytes[..2].copy_from_slice(&self.made.to_be_bytes());
        JobId::from_uuid(Builder::from_unix_timestamp_millis(millis(self.scene.context.now()), &bytes).into_uuid())
    }

    /// Changes the store in one unit, and the model with it; keeps both changes or neither.
    pub(super) async fn unit<T>(
        &mut self,
        scope: TestScope,
        kept: bool,
        work: impl AsyncFnOnce(&mut U::Unit, &mut Model) -> Checked<T>,
    ) -> Checked<T> {
        let mut unit = self.scene.units.begin(scope).await;
        let mut model = self.model.clone();
        let done = work(&mut unit, &mut model).await?;
        if kept {
            U::commit(unit).await.map_err(|error| format!("{error:?}"))?;
            self.model = model;
        } else {
            drop(unit);
            self.wait_for_dropped(&model).await?;
        }
        Ok(done)
    }

    /// Waits for a dropped unit: it may release its jobs a little later, and until then no worker can claim them. A
    /// change to one of these jobs waits for the release.
    async fn wait_for_dropped(&mut self, dropped: &Model) -> Checked {
        let is_held = |job: &JobId| dropped.jobs[job].differs(&self.model.jobs[job]);
        let held: Vec<JobId> = self.model.jobs.keys().copied().filter(is_held).collect();
        if dropped.jobs.len() > self.model.jobs.len() || !held.is_empty() {
            self.model.note("dropped with changes");
        }
        self.scene
            .attempt(TestScope::System, async |unit| {
                for job in held {
                    unit.put_job_result(job, "{}").await?;
                }
                Ok(())
            })
            .await
            .map_err(|error: StoreError| format!("{error:?}"))
    }

    async fn compare(&self) -> Checked {
        let now = self.scene.context.now();
        let (found, due) = self
            .scene
            .look(async |unit| {
                let found = all_pages(PAGE, Direction::Ascending, async |page| {
                    let page = PageRequest { after: page.after.or(Some(self.first)), ..page };
                    unit.page_jobs(&JobFilter::default(), page).await.unwrap()
                })
                .await;
                let mut due = [false; QUEUES.len()];
                for (due, queue) in due.iter_mut().zip(QUEUES) {
                    *due = unit.has_due_jobs(&[queue], &[], now).await.unwrap();
                }
                (found, due)
            })
            .await;
        self.model.compare(&found)?;
        let expected = QUEUES.map(|queue| self.model.has_due(queue, now));
        ensure(due == expected, || {
            format!("whether something is due in {QUEUES:?} should be {expected:?} and was {due:?}")
        })
    }

    /// Repeats until no job is left: ends every lease, reaches every due time, and completes every claimed job.
    async fn drain(&mut self) -> Checked {
        const ROUNDS: usize = 5;
        for _ in 0..ROUNDS {
            self.scene.clock.advance(DAY);
            for queue in 0..QUEUES.len() {
                let step = Step::Claim {
                    worker: 0,
                    queue,
                    limit: 1_000,
                    tenant_limit: None,
                    lease: 1,
                    advances: true,
                    kept: true,
                };
                self.step(&step).await?;
            }
            let held = std::mem::take(&mut self.workers[0].held);
            let settle = |claim| Settlement { claim, outcome: AttemptOutcome::Completed };
            self.settle(&held.into_iter().map(settle).collect::<Vec<_>>(), true).await?;
            self.compare().await?;
        }
        ensure(self.model.is_over(), || format!("never done was {:?}", self.model.jobs))
    }
}

fn millis(moment: Timestamp) -> u64 {
    u64::try_from(moment.unix_millis()).unwrap()
}

/// Cancels the jobs that earlier tests left, and returns whether there were none.
async fn cancel_everything(scene: &Scene<'_, impl Units<Unit: JobPorts>>) -> bool {
    let now = scene.context.now();
    scene
        .system(async |unit| {
            unit.advance_jobs(now).await.unwrap();
            let mut is_clear = true;
            for state in [JobState::Scheduled, JobState::Ready, JobState::Running] {
                let filter = JobFilter { state: Some(state), ..JobFilter::default() };
                let page = PageRequest { limit: PAGE, after: None, direction: Direction::Ascending };
                for job in unit.page_jobs(&filter, page).await.unwrap().items {
                    is_clear = false;
                    unit.cancel_job(job.id, now).await.unwrap();
                }
            }
            is_clear
        })
        .await
}
