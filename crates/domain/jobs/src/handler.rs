//! Handlers of jobs, and the results that they report.

use async_trait::async_trait;
use std::error::Error;
use tenantry_kernel::{Context, StoreError, Timestamp};

use crate::{Claim, Claimed, Job, JobClaims, Kind, PayloadError, SealError};

/// Port: runs the jobs of one kind.
///
/// A job runs at least once: an attempt may be interrupted at any point and repeated, in this process or another. A
/// handler with effects outside the store must tolerate that. A handler whose effects are in the store runs exactly
/// once with [`JobAttempt::complete_in`].
#[async_trait]
pub trait Handler<K: Kind>: Send + Sync {
    /// Runs one job. The future may be dropped at any await point.
    async fn run(&self, payload: K, of: &JobAttempt) -> Result<Done, JobFailure>;
}

/// An attempt to run a job.
#[derive(Debug, Clone)]
pub struct JobAttempt {
    /// The job.
    pub job: Job,
    claim: Claim,
    context: Context,
}

/// Result of a successful attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The job had its effect outside the store; its completion is not recorded yet.
    Outside,
    /// The job was run and recorded in one committed unit: [`JobAttempt::complete_in`].
    InUnit,
    /// The job is not due yet. The attempt is not counted.
    Snooze {
        /// The new earliest start.
        until: Timestamp,
    },
}

/// A failed attempt.
#[derive(Debug)]
pub struct JobFailure {
    /// The error.
    pub cause: Box<dyn Error + Send + Sync>,
    /// Whether a retry cannot succeed.
    pub is_permanent: bool,
}

/// The claim is no longer valid: another worker runs the job, or has completed it.
#[derive(Debug, thiserror::Error)]
#[error("its lease had expired")]
pub struct LeaseLost;

impl JobAttempt {
    /// Creates the attempt of a claimed job.
    pub fn new(claimed: Claimed, context: Context) -> Self {
        Self { job: claimed.job, claim: claimed.claim, context }
    }

    /// Returns the claim.
    pub fn claim(&self) -> Claim {
        self.claim
    }

    /// Records the completion of the job in this unit, so that the unit's other effects happen exactly once. Fails when
    /// the lease was lost; drop the unit then.
    pub async fn complete_in(&self, unit: &mut (impl JobClaims + ?Sized)) -> Result<Done, JobFailure> {
        if unit.complete_job(self.claim, self.context.now()).await? {
            Ok(Done::InUnit)
        } else {
            Err(JobFailure::retry(LeaseLost))
        }
    }
}

impl JobFailure {
    /// Creates a failure that a retry may fix.
    pub fn retry(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), is_permanent: false }
    }

    /// Creates a permanent failure: the job becomes a dead letter at once.
    pub fn permanent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), is_permanent: true }
    }
}

impl From<StoreError> for JobFailure {
    fn from(error: StoreError) -> Self {
        Self::retry(error)
    }
}

impl From<PayloadError> for JobFailure {
    fn from(error: PayloadError) -> Self {
        Self::permanent(error)
    }
}

impl From<SealError> for JobFailure {
    fn from(error: SealError) -> Self {
        Self::permanent(error)
    }
}
