//! Jobs as shown to users: their state, never their payload or their secret.

use async_trait::async_trait;
use tenantry_kernel::{Page, PageRequest, StoreError, TenantId, Timestamp};

use crate::{JobId, JobState};

/// A job for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    /// Id of the job.
    pub id: JobId,
    /// The tenant that owns it.
    pub tenant: Option<TenantId>,
    /// The queue.
    pub queue: String,
    /// Name of its kind.
    pub kind: String,
    /// The state.
    pub state: JobState,
    /// Number of attempts since the last manual retry.
    pub attempt: u32,
    /// Maximum number of attempts.
    pub max_attempts: u32,
    /// Earliest start.
    pub run_at: Timestamp,
    /// Error of the last attempt.
    pub last_error: Option<String>,
    /// Result as JSON; only clean-ups have one.
    pub result: Option<String>,
    /// Time of enqueueing.
    pub created_at: Timestamp,
    /// Time at which it was completed, given up or cancelled.
    pub finished_at: Option<Timestamp>,
}

/// Filters of jobs; a job must match all that are set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// The tenant.
    pub tenant: Option<TenantId>,
    /// The queue.
    pub queue: Option<String>,
    /// The kind.
    pub kind: Option<String>,
    /// The state.
    pub state: Option<JobState>,
}

/// Numbers of pending jobs in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFigures {
    /// The queue.
    pub queue: String,
    /// Jobs that wait for a worker.
    pub ready: u64,
    /// Jobs that wait for their time.
    pub scheduled: u64,
    /// Running jobs.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
    /// Time at which the longest waiting ready job became due.
    pub oldest_ready: Option<Timestamp>,
    /// Time of the first scheduled job. If it has passed, no worker has polled since.
    pub next_scheduled: Option<Timestamp>,
}

/// Figures of a queue with recently completed jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStats {
    /// Pending jobs.
    pub figures: QueueFigures,
    /// Number of jobs completed since the given time.
    pub completed: u64,
}

impl QueueFigures {
    /// Returns how many seconds the oldest ready job has waited; `None` when none is ready.
    pub fn oldest_ready_seconds(&self, now: Timestamp) -> Option<u64> {
        self.oldest_ready.map(|since| now.since(since).as_secs())
    }
}

/// Port: reads and manages jobs. Methods see the unit's tenant only, or every job in System units.
#[async_trait]
pub trait JobAdmin: Send {
    /// Returns the job if the unit may see it.
    async fn job_by_id(&mut self, id: JobId) -> Result<Option<JobStatus>, StoreError>;

    /// Returns a page of jobs by id.
    async fn page_jobs(
        &mut self,
        filter: &JobFilter,
        page: PageRequest<JobId>,
    ) -> Result<Page<JobStatus, JobId>, StoreError>;

    /// Returns the tenant's queues that have pending jobs or completed some since `completed_since`, by name. Needs a
    /// unit of a tenant.
    async fn queue_stats(&mut self, completed_since: Timestamp) -> Result<Vec<QueueStats>, StoreError>;

    /// Returns the installation's queues that have pending jobs, by name. Completed jobs are not read, so the cost does
    /// not depend on how many are kept. Needs a System unit.
    async fn queue_figures(&mut self) -> Result<Vec<QueueFigures>, StoreError>;

    /// Returns whether the job lacks the secret that it needs: the link of an email that has expired by `now` or was
    /// deleted. No attempt can succeed then.
    async fn lacks_secret(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError>;

    /// Makes a dead or cancelled job ready again with all its attempts. Returns `false` and changes nothing when the
    /// job is in another state, or when a live job of its tenant and kind has its unique key.
    async fn retry_job(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError>;

    /// Cancels a scheduled or ready job and blanks its secret. Returns `false` and changes nothing when the job is in
    /// another state.
    async fn cancel_job(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError>;

    /// Stores the result of a job. Needs a System unit.
    async fn put_job_result(&mut self, id: JobId, result: &str) -> Result<(), StoreError>;
}
