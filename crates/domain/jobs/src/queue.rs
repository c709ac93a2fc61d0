//! The ports of the queue: the store is the only truth, and whoever wakes workers only hurries them.

use async_trait::async_trait;
use tenantry_kernel::{JobId, StoreError, TenantId, Timestamp};
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

/// A worker's right to a job: it is good until it is noted what became of the try, or that its lease has ended
/// ([`Worklist::advance_jobs`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// After whose jobs a claim begins: claims go round the tenants that have ready work, and this is where they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn(pub Option<Uuid>);

/// How jobs of one queue are claimed.
#[derive(Debug, Clone, Copy)]
pub struct ClaimJobs<'a> {
    /// Of which queue.
    pub queue: &'a str,
    /// How many at most.
    pub limit: u32,
    /// How many jobs of one tenant run at the same time at most, whoever runs them. Claims at the same moment may each
    /// reckon without the other, and so go beyond it by what they take. `None` is no limit, and nothing is counted.
    pub tenant_limit: Option<u32>,
    /// Whose turn it was last.
    pub after: Turn,
    /// The token of the leases; a new random one for each call.
    pub token: Uuid,
    /// When the leases end.
    pub until: Timestamp,
}

/// What was claimed.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// The jobs.
    pub jobs: Vec<Claimed>,
    /// Jobs whose rows no program can read, and which are dead letters now.
    pub unreadable: Vec<DeadLetter>,
    /// Where the next claim goes on.
    pub turn: Turn,
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which job.
    pub job: JobId,
    /// The tenant whose business it was.
    pub tenant: Option<TenantId>,
    /// The name of its kind.
    pub kind: String,
    /// Why.
    pub error: String,
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done. Its secret is blanked.
    Completed,
    /// It failed and is tried again at that moment. Its secret stays.
    RetryAt {
        /// When.
        at: Timestamp,
        /// What went wrong.
        error: String,
    },
    /// It failed for the last time and is a dead letter. Its secret stays as long as it is of use, so that the job can
    /// be tried again by hand.
    Dead {
        /// What went wrong.
        error: String,
    },
    /// It is hopeless: a dead letter before its last try. Its secret is blanked.
    Discarded {
        /// Why.
        error: String,
    },
    /// It is not the time for it yet. The try is not counted.
    Snoozed {
        /// Until when.
        until: Timestamp,
    },
    /// The worker stops and lets go of it. The try is not counted.
    HandedBack,
}

/// What became of a job, by whoever has the right to say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The right to it.
    pub claim: Claim,
    /// What became of it.
    pub outcome: Outcome,
}

/// Where the causes of jobs enqueue them.
#[async_trait]
pub trait JobQueue: Send {
    /// Adds jobs, which are there once the unit is committed; says of each, in their order, what became of it. Fails with
    /// [`StoreError::Misuse`] for a job of another tenant than the unit's.
    async fn enqueue_jobs(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError>;

    /// Adds one job.
    async fn enqueue_job(&mut self, job: &NewJob) -> Result<Enqueued, StoreError> {
        let enqueued = self.enqueue_jobs(std::slice::from_ref(job)).await?;
        enqueued.first().copied().ok_or(StoreError::Misuse("the queue did not say what became of a job"))
    }
}

/// Where workers find jobs. Only for System units.
#[async_trait]
pub trait Worklist: Send {
    /// Whether there is something to do now: a job of one of these queues to claim, or something for
    /// [`Worklist::advance_jobs`].
    async fn has_due_jobs(&mut self, queues: &[&str], now: Timestamp) -> Result<bool, StoreError>;

    /// Does what time alone brings about: scheduled jobs whose time has come become ready, and so do those whose lease
    /// has ended; one whose lease ended at its last attempt becomes a dead letter, which is returned. At most some
    /// thousand of each in one call, and never one that another unit holds.
    async fn advance_jobs(&mut self, now: Timestamp) -> Result<Vec<DeadLetter>, StoreError>;

    /// Claims ready jobs of a queue. The tenants that have some take turns, and the jobs without a tenant together count
    /// as one of them; of a tenant's own, greater priority goes first, then the oldest. Each claim counts an attempt.
    /// Two units never claim the same job, and neither waits for the other's.
    async fn claim_jobs(&mut self, command: ClaimJobs<'_>, now: Timestamp) -> Result<Claims, StoreError>;

    /// Makes claims last until that moment, and returns those that are not good any more.
    async fn extend_claims(&mut self, claims: &[Claim], until: Timestamp) -> Result<Vec<Claim>, StoreError>;

    /// Notes what became of jobs, and returns the claims that were not good any more: of their jobs nothing was changed.
    async fn settle_jobs(&mut self, settlements: &[Settlement], now: Timestamp) -> Result<Vec<Claim>, StoreError>;

    /// Blanks the secrets of which the time is over, and returns how many they were.
    async fn blank_expired_secrets(&mut self, now: Timestamp) -> Result<u64, StoreError>;

    /// Notes that a job was done. `false`, with nothing changed, when the claim is not good any more.
    async fn complete_job(&mut self, claim: Claim, now: Timestamp) -> Result<bool, StoreError> {
        let completed = Settlement { claim, outcome: Outcome::Completed };
        Ok(self.settle_jobs(std::slice::from_ref(&completed), now).await?.is_empty())
    }
}
