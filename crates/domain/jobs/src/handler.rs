//! What does the jobs of a kind, and what it may say of a try.

use async_trait::async_trait;
use std::error::Error;
use tenantry_kernel::{StoreError, Timestamp, World};

use crate::{Claim, Claimed, Job, Kind, PayloadError, SealError, Worklist};

/// Does the jobs of one kind.
///
/// A job is done at least once: a try may be cut off at any point and come again, in this process or another. What has an
/// effect outside of the store must bear that; what has its effect inside does it exactly once by
/// [`Try::complete_in`].
#[async_trait]
pub trait Handler<K: Kind>: Send + Sync {
    /// Does one job. The future may be dropped at any point where it waits.
    async fn run(&self, words: K, of: &Try) -> Result<Done, JobFailure>;
}

/// One try of a job.
#[derive(Debug, Clone)]
pub struct Try {
    /// The job.
    pub job: Job,
    claim: Claim,
    world: World,
}

/// How a try ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was done outside of the store; that it was is yet to be noted.
    Outside,
    /// It was done and noted in one unit, which is committed: [`Try::complete_in`].
    InUnit,
    /// It is not the time for it yet. The try is not counted.
    Snooze {
        /// Until when.
        until: Timestamp,
    },
}

/// Why a job was not done.
#[derive(Debug)]
pub struct JobFailure {
    /// What went wrong.
    pub cause: Box<dyn Error + Send + Sync>,
    /// Whether trying again cannot help.
    pub is_hopeless: bool,
}

/// The claim was not good any more: somebody else does the job, or has done it.
#[derive(Debug, thiserror::Error)]
#[error("its lease had ended")]
pub struct LeaseLost;

impl Try {
    /// A try of what was claimed.
    pub fn new(claimed: Claimed, world: World) -> Self {
        Self { job: claimed.job, claim: claimed.claim, world }
    }

    /// The right to the job.
    pub fn claim(&self) -> Claim {
        self.claim
    }

    /// Notes in this unit that the job was done: what else the unit does is then done exactly once. Fails when the lease
    /// was lost; the unit is then to be dropped.
    pub async fn complete_in(&self, unit: &mut (impl Worklist + ?Sized)) -> Result<Done, JobFailure> {
        if unit.complete_job(self.claim, self.world.now()).await? {
            Ok(Done::InUnit)
        } else {
            Err(JobFailure::again(LeaseLost))
        }
    }
}

impl JobFailure {
    /// Later it may go.
    pub fn again(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), is_hopeless: false }
    }

    /// It will never go: the job is a dead letter at once.
    pub fn hopeless(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), is_hopeless: true }
    }
}

impl From<StoreError> for JobFailure {
    fn from(error: StoreError) -> Self {
        Self::again(error)
    }
}

impl From<PayloadError> for JobFailure {
    fn from(error: PayloadError) -> Self {
        Self::hopeless(error)
    }
}

impl From<SealError> for JobFailure {
    fn from(error: SealError) -> Self {
        Self::hopeless(error)
    }
}
