//! Background jobs. A job is enqueued in the unit of the change that causes it, so it exists exactly when that change
//! was committed. It runs at least once.
//!
//! A worker claims due jobs under a lease, runs them, and reports their outcome with the token of that lease. The
//! report of a worker whose lease has ended is refused. A handler whose effect is in the same store completes its job
//! in the unit of that effect, and so runs exactly once.

mod admin;
mod clean_up;
mod deaths;
mod error;
mod handler;
mod ids;
mod jobs;
mod management;
mod queue;
mod retention;
mod retry;
mod schedules;
mod secrets;
pub mod vocabulary;
mod wake_up;

pub use admin::{JobAdmin, JobFilter, JobStatus, QueueFigures, QueueStats};
pub use clean_up::{CleanUp, CleanUpTarget, RequestCleanUp, StartCleanUp, request_clean_up, start_clean_up};
pub use deaths::record_dead_letters;
pub use error::JobError;
pub use handler::{Done, Handler, JobAttempt, JobFailure, LeaseLost};
pub use ids::JobId;
pub use jobs::{Job, JobState, Kind, NewJob, PayloadError};
pub use management::{CancelJob, ReadJobs, RetryJob, cancel_job, retry_job};
pub use queue::{
    AttemptOutcome, Claim, ClaimJobs, Claimed, Claims, DeadLetter, Enqueued, FairnessCursor, JobClaims, JobQueue,
    PayloadFormat, Settlement,
};
pub use retention::{ExpiredRows, RetentionMode, RetentionPass, RetentionStore};
pub use retry::RetryPolicy;
pub use schedules::{CronError, CronExpression, Schedule, Schedules, fire_schedule, register_schedule};
pub use secrets::{JobSecret, SealError, SealedSecret, Sealer};
pub use wake_up::WakeUp;
