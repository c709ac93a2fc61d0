//! Jobs: what is to be done, with which words, and where it stands.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use tenantry_kernel::{JobId, TenantId, Timestamp, World};

use crate::{JobSecret, RetryPolicy, SealError, SealedSecret, Sealer};

/// A sort of work, with the words that each job of it carries.
///
/// What is written today is read by tomorrow's program: a change of the fields that an older program cannot read, or
/// whose older rows this one cannot, moves [`Kind::VERSION`].
pub trait Kind: Serialize + DeserializeOwned {
    /// The public name of the kind.
    const NAME: &'static str;
    /// The version of the words.
    const VERSION: i32;
    /// The queue that its jobs wait in.
    const QUEUE: &'static str;
    /// How often and when it is tried again.
    const RETRY: RetryPolicy;
    /// How long one try may take. A try that takes longer is ended and counts as failed.
    const TIME_LIMIT: Duration = Duration::from_secs(30);
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waits for its time.
    Scheduled,
    /// Waits for a worker.
    Ready,
    /// A worker has it under a lease.
    Running,
    /// Done.
    Completed,
    /// Given up: a dead letter.
    Dead,
    /// Called off.
    Cancelled,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: &[Self] =
        &[Self::Scheduled, Self::Ready, Self::Running, Self::Completed, Self::Dead, Self::Cancelled];

    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.name() == name)
    }
}

/// A job that is to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Which job.
    pub id: JobId,
    /// The tenant whose business it is; `None` for a person's own affairs and the installation's.
    pub tenant: Option<TenantId>,
    /// The queue that it waits in.
    pub queue: &'static str,
    /// The name of its kind.
    pub kind: &'static str,
    /// The version of its words.
    pub version: i32,
    /// Its words, as JSON. They are no secret.
    pub payload: String,
    /// What of it is secret, encrypted.
    pub secret: Option<SealedSecret>,
    /// Greater goes first, among the jobs of its queue and tenant.
    pub priority: i32,
    /// Not before this moment.
    pub run_at: Timestamp,
    /// How often it is tried at most.
    pub max_attempts: u32,
    /// At most one live job of the tenant and kind has this key.
    pub unique_key: Option<String>,
    /// The trace of the request that caused it, for the log.
    pub trace: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
}

/// A job as a worker gets it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which job.
    pub id: JobId,
    /// The tenant whose business it is.
    pub tenant: Option<TenantId>,
    /// The queue that it waited in.
    pub queue: String,
    /// The name of its kind.
    pub kind: String,
    /// The version of its words.
    pub version: i32,
    /// Its words, as JSON.
    pub payload: String,
    /// When its time came.
    pub run_at: Timestamp,
    /// What of it is secret, encrypted; gone once it is of no use any more.
    pub secret: Option<SealedSecret>,
    /// Which try this is, counted from 1.
    pub attempt: u32,
    /// How often it is tried at most.
    pub max_attempts: u32,
    /// The trace of the request that caused it.
    pub trace: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
}

/// Why the words of a job cannot be read. Trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// It is a job of another kind.
    #[error("the job is of another kind")]
    OtherKind,
    /// Its words are of a version that this program does not know.
    #[error("the payload is of version {0}, which this program does not know")]
    Version(i32),
    /// Its words are not those of the kind.
    #[error("the payload cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl NewJob {
    /// A job of this kind that may be done at once.
    pub fn of<K: Kind>(world: &World, tenant: Option<TenantId>, words: &K) -> Result<Self, SealError> {
        let now = world.now();
        Ok(Self {
            id: JobId::new(world),
            tenant,
            queue: K::QUEUE,
            kind: K::NAME,
            version: K::VERSION,
            payload: serde_json::to_string(words).map_err(SealError::new)?,
            secret: None,
            priority: 0,
            run_at: now,
            max_attempts: K::RETRY.max_attempts,
            unique_key: None,
            trace: None,
            created_at: now,
        })
    }

    /// The same, not before that moment.
    #[must_use]
    pub fn at(self, moment: Timestamp) -> Self {
        Self { run_at: moment, ..self }
    }

    /// The same before, or after, the tenant's other jobs of the queue: greater goes first, and 0 is usual.
    #[must_use]
    pub fn with_priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    /// The same, and the only live one of its tenant and kind that has this key.
    #[must_use]
    pub fn unique(self, key: impl Into<String>) -> Self {
        Self { unique_key: Some(key.into()), ..self }
    }

    /// The same with a secret, which is encrypted for this job alone.
    pub fn with_secret(mut self, sealer: &dyn Sealer, secret: &JobSecret) -> Result<Self, SealError> {
        self.secret = Some(sealer.seal(secret, self.id.uuid().as_bytes())?);
        Ok(self)
    }

    /// The same, caused by the request of this trace.
    #[must_use]
    pub fn traced(mut self, trace: impl Into<String>) -> Self {
        self.trace = Some(trace.into());
        self
    }
}

impl Job {
    /// The words of the job, if it is of this kind.
    pub fn words<K: Kind>(&self) -> Result<K, PayloadError> {
        if self.kind != K::NAME {
            return Err(PayloadError::OtherKind);
        }
        if self.version != K::VERSION {
            return Err(PayloadError::Version(self.version));
        }
        serde_json::from_str(&self.payload).map_err(PayloadError::Unreadable)
    }

    /// The secret of the job, if it has one still.
    pub fn open_secret(&self, sealer: &dyn Sealer) -> Result<Option<JobSecret>, SealError> {
        let Some(sealed) = &self.secret else { return Ok(None) };
        sealer.open(sealed, self.id.uuid().as_bytes()).map(Some)
    }
}
