//! The port of the queue: the store is the only truth, and whoever wakes workers only hurries them.

use async_trait::async_trait;
use tenantry_kernel::{JobId, StoreError, Timestamp};
use uuid::Uuid;

use crate::{Job, NewJob};

/// What became of a job that was to be enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits.
    Added,
    /// A live job of the tenant and kind has its key already; nothing was added.
    Duplicate,
}

/// A worker's right to a job: it is good until somebody else's lease replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// The random token of the lease.
    pub token: Uuid,
}

/// A job, and the right to it.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The job.
    pub job: Job,
    /// The right to it.
    pub claim: Claim,
}

/// How jobs are claimed.
#[derive(Debug, Clone, Copy)]
pub struct ClaimJobs {
    /// How many at most.
    pub limit: u32,
    /// The token of the leases; a new random one for each call.
    pub token: Uuid,
    /// When the leases end.
    pub until: Timestamp,
}

/// What happens to a job that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is tried again at this moment.
    RetryAt(Timestamp),
    /// It is given up: a dead letter.
    Dead,
}

/// Where the causes of jobs enqueue them.
#[async_trait]
pub trait JobQueue: Send {
    /// Adds a job, which is there once the unit is committed. Fails with [`StoreError::Misuse`] for a job of another
    /// tenant than the unit's.
    async fn enqueue_job(&mut self, job: &NewJob) -> Result<Enqueued, StoreError>;
}

/// Where workers find jobs. Only for System units.
#[async_trait]
pub trait Worklist: Send {
    /// Whether there is something to do for [`Worklist::claim_jobs`] now: a job to claim, or one to give up.
    async fn has_due_jobs(&mut self, now: Timestamp) -> Result<bool, StoreError>;

    /// Claims jobs whose time has come, and those whose lease has ended; greater priority first, then the oldest. Each
    /// claim counts an attempt. One whose lease ended at its last attempt becomes a dead letter instead. Two units never
    /// claim the same job, and neither waits for the other's.
    async fn claim_jobs(&mut self, command: ClaimJobs, now: Timestamp) -> Result<Vec<Claimed>, StoreError>;

    /// Notes that a job was done, and blanks its secret. `false`, with nothing changed, when the claim is not good any
    /// more.
    async fn complete_job(&mut self, claim: Claim, now: Timestamp) -> Result<bool, StoreError>;

    /// Notes that a job failed, why, and what happens next; the secret stays. `false` like
    /// [`Worklist::complete_job`].
    async fn fail_job(&mut self, claim: Claim, error: &str, next: Next, now: Timestamp) -> Result<bool, StoreError>;

    /// Blanks the secrets of which the time is over, and returns how many they were.
    async fn blank_expired_secrets(&mut self, now: Timestamp) -> Result<u64, StoreError>;
}
