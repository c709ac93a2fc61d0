//! Jobs: their kind, payload and state.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use tenantry_kernel::{Context, TenantId, Timestamp};

use crate::{JobId, JobSecret, RetryPolicy, SealError, SealedSecret, Sealer};

/// A kind of job, with the payload that each of its jobs carries.
///
/// Another release may read what this one writes. Increment [`Kind::VERSION`] when an older release cannot read the
/// changed fields, or when this release cannot read older rows. An older release leaves jobs of a greater version to
/// newer ones.
pub trait Kind: Serialize + DeserializeOwned {
    /// Public name of the kind.
    const NAME: &'static str;
    /// Version of the payload.
    const VERSION: i32;
    /// Queue of its jobs.
    const QUEUE: &'static str;
    /// Number and times of the attempts.
    const RETRY: RetryPolicy;
    /// Time limit of one attempt. A longer attempt is cancelled and counts as failed.
    const TIME_LIMIT: Duration = Duration::from_secs(30);
}

/// State of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waits for its time.
    Scheduled,
    /// Waits for a worker.
    Ready,
    /// Claimed by a worker under a lease.
    Running,
    /// Completed.
    Completed,
    /// Given up: a dead letter.
    Dead,
    /// Cancelled.
    Cancelled,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: &[Self] =
        &[Self::Scheduled, Self::Ready, Self::Running, Self::Completed, Self::Dead, Self::Cancelled];

    /// Returns the name in the store.
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

    /// Returns the state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.name() == name)
    }

    /// Returns the state with this stored name. One that only a newer program knows counts as running: a running job can
    /// be neither retried nor cancelled.
    pub fn from_stored(name: &str) -> Self {
        Self::from_name(name).unwrap_or(Self::Running)
    }
}

/// A job to enqueue.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Id of the job.
    pub id: JobId,
    /// The tenant that owns the job; `None` for jobs of a user or of the installation.
    pub tenant: Option<TenantId>,
    /// The queue.
    pub queue: &'static str,
    /// Name of its kind.
    pub kind: &'static str,
    /// Version of its payload.
    pub version: i32,
    /// Payload as JSON. It holds no secret.
    pub payload: String,
    /// Encrypted secret.
    pub secret: Option<SealedSecret>,
    /// Priority among the jobs of its queue and tenant; the greatest runs first.
    pub priority: i32,
    /// Earliest start.
    pub run_at: Timestamp,
    /// Maximum number of attempts.
    pub max_attempts: u32,
    /// At most one live job of a tenant and kind has this key.
    pub unique_key: Option<String>,
    /// Trace of the request that caused the job, for the log.
    pub trace: Option<String>,
    /// Time of enqueueing.
    pub created_at: Timestamp,
}

/// A job as claimed by a worker.
#[derive(Debug, Clone)]
pub struct Job {
    /// Id of the job.
    pub id: JobId,
    /// The tenant that owns the job.
    pub tenant: Option<TenantId>,
    /// The queue.
    pub queue: String,
    /// Name of its kind.
    pub kind: String,
    /// Version of its payload.
    pub version: i32,
    /// Payload as JSON.
    pub payload: String,
    /// Earliest start.
    pub run_at: Timestamp,
    /// Encrypted secret; `None` after it was blanked.
    pub secret: Option<SealedSecret>,
    /// Number of this attempt, counted from 1.
    pub attempt: u32,
    /// Maximum number of attempts.
    pub max_attempts: u32,
    /// Trace of the request that caused the job.
    pub trace: Option<String>,
    /// Time of enqueueing.
    pub created_at: Timestamp,
}

/// Reasons why a payload cannot be read. A retry does not help.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The job is of another kind.
    #[error("the job is of another kind")]
    OtherKind,
    /// This program does not know the version of the payload.
    #[error("the payload is of version {0}, which this program does not know")]
    Version(i32),
    /// The payload does not match the kind.
    #[error("the payload cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl NewJob {
    /// Creates a job of this kind that may run at once.
    pub fn of<K: Kind>(context: &Context, tenant: Option<TenantId>, payload: &K) -> Result<Self, SealError> {
        let now = context.now();
        Ok(Self {
            id: JobId::new(context),
            tenant,
            queue: K::QUEUE,
            kind: K::NAME,
            version: K::VERSION,
            payload: serde_json::to_string(payload).map_err(SealError::new)?,
            secret: None,
            priority: 0,
            run_at: now,
            max_attempts: K::RETRY.max_attempts,
            unique_key: None,
            trace: None,
            created_at: now,
        })
    }

    /// Sets the earliest start.
    #[must_use]
    pub fn at(self, moment: Timestamp) -> Self {
        Self { run_at: moment, ..self }
    }

    /// Sets the priority among the tenant's jobs of the queue: the greatest runs first, and 0 is the default.
    #[must_use]
    pub fn with_priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    /// Sets a unique key: at most one live job of the tenant and kind has it.
    #[must_use]
    pub fn unique(self, key: impl Into<String>) -> Self {
        Self { unique_key: Some(key.into()), ..self }
    }

    /// Adds a secret, which is encrypted for this job alone.
    pub fn with_secret(mut self, sealer: &dyn Sealer, secret: &JobSecret) -> Result<Self, SealError> {
        self.secret = Some(sealer.seal(secret, self.id.uuid().as_bytes())?);
        Ok(self)
    }

    /// Sets the trace of the request that caused the job.
    #[must_use]
    pub fn traced(mut self, trace: impl Into<String>) -> Self {
        self.trace = Some(trace.into());
        self
    }
}

impl Job {
    /// Returns the payload if the job is of this kind.
    pub fn parse_payload<K: Kind>(&self) -> Result<K, PayloadError> {
        if self.kind != K::NAME {
            return Err(PayloadError::OtherKind);
        }
        if self.version != K::VERSION {
            return Err(PayloadError::Version(self.version));
        }
        serde_json::from_str(&self.payload).map_err(PayloadError::Unreadable)
    }

    /// Returns the secret if the job still has one.
    pub fn open_secret(&self, sealer: &dyn Sealer) -> Result<Option<JobSecret>, SealError> {
        let Some(sealed) = &self.secret else { return Ok(None) };
        sealer.open(sealed, self.id.uuid().as_bytes()).map(Some)
    }
}
