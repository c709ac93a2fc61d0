//! Jobs as people see them: where they stand, never their words and never what is secret of them.

use async_trait::async_trait;
use tenantry_kernel::{JobId, Page, PageRequest, StoreError, TenantId, Timestamp};

use crate::JobState;

/// A job as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    /// Which job.
    pub id: JobId,
    /// The tenant whose business it is.
    pub tenant: Option<TenantId>,
    /// The queue that it waits in.
    pub queue: String,
    /// The name of its kind.
    pub kind: String,
    /// Where it stands.
    pub state: JobState,
    /// How often it was tried, since it was last retried by hand.
    pub attempt: u32,
    /// How often it is tried at most.
    pub max_attempts: u32,
    /// When its time comes, or came.
    pub run_at: Timestamp,
    /// What went wrong at the last try.
    pub last_error: Option<String>,
    /// What it has to tell, as JSON; only clean-ups tell something.
    pub result: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it was done, given up or called off.
    pub finished_at: Option<Timestamp>,
}

/// Which jobs are wanted: those that fit all that is set.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of this queue.
    pub queue: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In this state.
    pub state: Option<JobState>,
}

/// How much work waits in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFigures {
    /// The queue.
    pub queue: String,
    /// Waits for a worker.
    pub ready: u64,
    /// Waits for its time.
    pub scheduled: u64,
    /// Under way.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
    /// When the time of the ready job came that has waited longest.
    pub oldest_ready: Option<Timestamp>,
    /// The time of the scheduled job that comes first. Where it has passed, no worker has looked since.
    pub next_scheduled: Option<Timestamp>,
}

/// The same with what was done lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStats {
    /// What waits.
    pub figures: QueueFigures,
    /// How many were completed since the moment that was asked for.
    pub completed: u64,
}

impl QueueFigures {
    /// For how many seconds the oldest ready job has waited; `None` when none is ready.
    pub fn oldest_ready_seconds(&self, now: Timestamp) -> Option<u64> {
        self.oldest_ready.map(|since| now.since(since).as_secs())
    }
}

/// Where jobs are looked at and managed. Methods see the unit's tenant only, or every job for System units.
#[async_trait]
pub trait Jobs: Send {
    /// The job, if the unit may see it.
    async fn job_by_id(&mut self, id: JobId) -> Result<Option<JobStatus>, StoreError>;

    /// Jobs by id.
    async fn page_jobs(
        &mut self,
        filter: &JobFilter,
        page: PageRequest<JobId>,
    ) -> Result<Page<JobStatus, JobId>, StoreError>;

    /// The tenant's queues that have work or completed some since that moment, by name. Only for units of a tenant.
    async fn queue_stats(&mut self, completed_since: Timestamp) -> Result<Vec<QueueStats>, StoreError>;

    /// The queues of the installation that have work, by name. What is completed is not looked at, so that this costs
    /// little however much is kept. Only for System units.
    async fn queue_figures(&mut self) -> Result<Vec<QueueFigures>, StoreError>;

    /// Makes a dead or cancelled job ready again, as if it had never been tried. `false`, with nothing changed, when it
    /// is in another state, or when a live job of its tenant and kind has its key.
    async fn revive_job(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError>;

    /// Calls a scheduled or ready job off and blanks its secret. `false`, with nothing changed, when it is in another
    /// state.
    async fn call_off_job(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError>;

    /// Keeps what a job has to tell. Only for System units.
    async fn put_job_result(&mut self, id: JobId, result: &str) -> Result<(), StoreError>;
}
