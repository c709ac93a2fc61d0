//! The worker: claims jobs, does them, and says what became of each. It can be killed at any moment: a claim is good
//! for the time of its lease, and whoever comes next takes over.

mod handlers;

use futures::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tenantry_jobs::{ClaimJobs, Claimed, Next, Worklist};
use tenantry_kernel::StoreError;
use tenantry_store::{Committed, Scope, SystemReason};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{App, authority::published, failure::chain};
use handlers::{Done, JobFailure, handle, retry_policy_of};

pub(crate) const SCOPE: Scope = Scope::System(SystemReason::Worker);

impl App {
    /// Tells everybody who must hear of what was committed: this process at once, others by messages if there are any.
    pub(crate) fn announce(&self, committed: &Committed) {
        self.authority.forget(&committed.power);
        self.invalidation.publish(&published(&committed.power));
        for tenant in &committed.holdings {
            self.forget_holders(*tenant);
        }
        if committed.has_enqueued {
            self.wake_up.call();
        }
    }
}

/// How many jobs are done at the same time.
const SLOTS: usize = 4;
/// For how long a claim is good.
const LEASE: Duration = Duration::from_secs(12);
/// How long a job may take; well within its lease, so that nobody else has it meanwhile.
const TIME_LIMIT: Duration = Duration::from_secs(8);
/// How often the table is looked at when nobody calls.
const LOOK: Duration = Duration::from_millis(500);
/// Where a longer account of what went wrong is cut.
const MAX_ERROR_CHARS: usize = 500;

/// Works until it is told to stop, and then ends what it has begun.
pub(crate) async fn work(app: App, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(SLOTS));
    let running = TaskTracker::new();
    let mut is_failing = false;
    while let Some(slot) = free_slot(&slots, &stop).await {
        let free = 1 + slots.available_permits();
        let claimed = match claim(&app, free).await {
            Ok(claimed) => {
                is_failing = false;
                claimed
            }
            Err(error) => {
                if !is_failing {
                    tracing::warn!(%error, "jobs cannot be claimed; they wait");
                }
                is_failing = true;
                Vec::new()
            }
        };
        if claimed.is_empty() {
            drop(slot);
            tokio::select! {
                () = app.wake_up.called() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => {}
            }
            continue;
        }
        let mut slot = Some(slot);
        for job in claimed {
            let slot = slot.take().or_else(|| slots.clone().try_acquire_owned().ok());
            let task = running.track_future(finish(app.clone(), job, slot));
            actix_web::rt::spawn(task);
        }
    }
    running.close();
    running.wait().await;
}

async fn free_slot(slots: &Arc<Semaphore>, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        slot = slots.clone().acquire_owned() => slot.ok(),
    }
}

/// Looks first without writing: on SQLite there is one writer, and an idle worker must not be it.
async fn claim(app: &App, limit: usize) -> Result<Vec<Claimed>, StoreError> {
    let now = app.world.now();
    if !app.store.read(SCOPE).await?.has_due_jobs(now).await? {
        return Ok(Vec::new());
    }
    let mut unit = app.store.begin(SCOPE).await?;
    let now = app.world.now();
    let command =
        ClaimJobs { limit: u32::try_from(limit).unwrap_or(1), token: app.world.uuid_v7(), until: now.plus(LEASE) };
    let claimed = unit.claim_jobs(command, now).await?;
    unit.commit().await?;
    Ok(claimed)
}

/// Does one job and notes what became of it. The slot is free again afterwards.
async fn finish(app: App, claimed: Claimed, _slot: Option<OwnedSemaphorePermit>) {
    let (id, kind) = (claimed.job.id, claimed.job.kind.clone());
    let attempt = AssertUnwindSafe(timeout(TIME_LIMIT, handle(&app, &claimed))).catch_unwind().await;
    let outcome = match attempt {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(JobFailure::again("it took longer than it may")),
        Err(_) => Err(JobFailure::again("it panicked")),
    };
    let noted = match outcome {
        Ok(Done::Completed) => {
            tracing::debug!(job = %id, kind, "a job was done");
            Ok(true)
        }
        Ok(Done::Outside) => note(&app, async |unit| unit.complete_job(claimed.claim, app.world.now()).await).await,
        Err(failure) => fail(&app, &claimed, failure).await,
    };
    match noted {
        Ok(true) => {}
        Ok(false) => tracing::warn!(job = %id, kind, "a job was done after its lease had ended"),
        Err(error) => {
            tracing::warn!(job = %id, kind, %error, "what became of a job could not be noted; it is done again")
        }
    }
}

async fn fail(app: &App, claimed: &Claimed, failure: JobFailure) -> Result<bool, StoreError> {
    let job = &claimed.job;
    let now = app.world.now();
    let wait = retry_policy_of(&job.kind).wait(job.attempt, &app.world).filter(|_| !failure.is_hopeless);
    let next = match wait.filter(|_| job.attempt < job.max_attempts) {
        Some(wait) => Next::RetryAt(now.plus(wait)),
        None => Next::Dead,
    };
    let error: String = chain(&*failure.cause).chars().take(MAX_ERROR_CHARS).collect();
    match next {
        Next::Dead => {
            tracing::error!(job = %job.id, kind = job.kind, attempt = job.attempt, error, "a job was given up")
        }
        Next::RetryAt(at) => {
            tracing::warn!(job = %job.id, kind = job.kind, attempt = job.attempt, error, retry_at = %at, "a job failed");
        }
    }
    note(app, async |unit| unit.fail_job(claimed.claim, &error, next, now).await).await
}

async fn note(
    app: &App,
    what: impl AsyncFnOnce(&mut tenantry_store::Unit) -> Result<bool, StoreError>,
) -> Result<bool, StoreError> {
    let mut unit = app.store.begin(SCOPE).await?;
    let noted = what(&mut unit).await?;
    unit.commit().await?;
    Ok(noted)
}
