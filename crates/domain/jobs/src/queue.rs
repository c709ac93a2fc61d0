//! The ports of the queue. The store is the only source of truth; a wake-up only makes workers faster.

use async_trait::async_trait;
use tenantry_kernel::{StoreError, TenantId, Timestamp};
use uuid::Uuid;

use crate::{Job, JobId, NewJob};

/// Result of enqueueing a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// The job was added.
    Added,
    /// Nothing was added: a live job of the tenant and kind already has its unique key.
    Duplicate,
}

/// A worker's claim to a job. It is valid until the outcome of the attempt is recorded, or the end of its lease is
/// ([`JobClaims::advance_jobs`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// Random token of the lease.
    pub token: Uuid,
}

/// A job with its claim.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The job.
    pub job: Job,
    /// The claim.
    pub claim: Claim,
}

/// Position in the rotation of claims: they rotate over the tenants that have ready jobs, and continue after this
/// tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FairnessCursor(pub Option<Uuid>);

/// A kind of jobs and a version of its payload. A worker leaves jobs to newer programs by their format.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PayloadFormat {
    /// Name of the kind.
    pub kind: String,
    /// Version of the payload.
    pub version: i32,
}

/// Parameters of a claim from one queue.
#[derive(Debug, Clone, Copy)]
pub struct ClaimJobs<'a> {
    /// The queue.
    pub queue: &'a str,
    /// Maximum number of jobs.
    pub limit: u32,
    /// Maximum number of running jobs of one tenant, over all workers. Concurrent claims may not see each other and so
    /// exceed it by what they claim. `None` means no limit, and nothing is counted.
    pub tenant_limit: Option<u32>,
    /// The jobs of these formats are not claimed.
    pub except: &'a [PayloadFormat],
    /// Position after the last claim.
    pub after: FairnessCursor,
    /// Token of the leases; a new random one for each call.
    pub token: Uuid,
    /// End of the leases.
    pub until: Timestamp,
}

/// Result of a claim.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// The jobs.
    pub jobs: Vec<Claimed>,
    /// Jobs whose rows no program can read; they have become dead letters.
    pub unreadable: Vec<DeadLetter>,
    /// Position for the next claim.
    pub cursor: FairnessCursor,
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Id of the job.
    pub job: JobId,
    /// The tenant that owns the job.
    pub tenant: Option<TenantId>,
    /// Name of its kind.
    pub kind: String,
    /// The last error.
    pub error: String,
}

/// Outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The job is completed. Its secret is blanked.
    Completed,
    /// The attempt failed and is retried later. The secret stays.
    RetryAt {
        /// Time of the retry.
        at: Timestamp,
        /// The error.
        error: String,
    },
    /// The last attempt failed: the job is a dead letter. Its secret stays until it expires, so that the job can be
    /// retried manually.
    Dead {
        /// The error.
        error: String,
    },
    /// The failure is permanent: the job is a dead letter before its last attempt. Its secret stays until it expires: a
    /// person may remove the cause, such as a full mailbox, and retry the job.
    Discarded {
        /// The error.
        error: String,
    },
    /// The job is not due yet. The attempt is not counted.
    Snoozed {
        /// The new earliest start.
        until: Timestamp,
    },
    /// The worker stops, or cannot run the job, and hands it back with its secret. The attempt is not counted.
    HandedBack,
}

/// The outcome of a claimed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The claim.
    pub claim: Claim,
    /// The outcome.
    pub outcome: AttemptOutcome,
}

/// Port: enqueues jobs.
#[async_trait]
pub trait JobQueue: Send {
    /// Adds jobs, which exist once the unit is committed. Returns the result of each, in order. Fails with
    /// [`StoreError::Misuse`] for a job of another tenant than the unit's.
    async fn enqueue_jobs(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError>;

    /// Adds one job.
    async fn enqueue_job(&mut self, job: &NewJob) -> Result<Enqueued, StoreError> {
        let enqueued = self.enqueue_jobs(std::slice::from_ref(job)).await?;
        enqueued.first().copied().ok_or(StoreError::Misuse("the queue did not report the result of a job"))
    }
}

/// Port: the workers' view of the queue. Needs System units.
#[async_trait]
pub trait JobClaims: Send {
    /// Returns whether there is something to do now: a job of one of these queues to claim, except those of some
    /// formats, or work for [`JobClaims::advance_jobs`].
    async fn has_due_jobs(
        &mut self,
        queues: &[&str],
        except: &[PayloadFormat],
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Applies the passage of time: due scheduled jobs and jobs whose lease has ended become ready. A job whose lease
    /// ended at its last attempt becomes a dead letter and is returned. One call changes at most some thousand of each,
    /// and skips jobs that another unit holds.
    async fn advance_jobs(&mut self, now: Timestamp) -> Result<Vec<DeadLetter>, StoreError>;

    /// Claims ready jobs of a queue. The claims rotate over the tenants with ready jobs; the jobs without a tenant
    /// count as one tenant. Of one tenant's jobs, the greatest priority goes first, then the oldest. Each claim counts
    /// an attempt. Two units never claim the same job, and neither waits for the other's.
    async fn claim_jobs(&mut self, command: ClaimJobs<'_>, now: Timestamp) -> Result<Claims, StoreError>;

    /// Extends the leases of claims until this time, and returns the claims that are no longer valid.
    async fn extend_claims(&mut self, claims: &[Claim], until: Timestamp) -> Result<Vec<Claim>, StoreError>;

    /// Records the outcomes of jobs, and returns the claims that were no longer valid; their jobs are unchanged.
    async fn settle_jobs(&mut self, settlements: &[Settlement], now: Timestamp) -> Result<Vec<Claim>, StoreError>;

    /// Blanks expired secrets and returns their number.
    async fn blank_expired_secrets(&mut self, now: Timestamp) -> Result<u64, StoreError>;

    /// Records the completion of a job. Returns `false` and changes nothing when the claim is no longer valid.
    async fn complete_job(&mut self, claim: Claim, now: Timestamp) -> Result<bool, StoreError> {
        let completed = Settlement { claim, outcome: AttemptOutcome::Completed };
        Ok(self.settle_jobs(std::slice::from_ref(&completed), now).await?.is_empty())
    }
}
