//! Background work. A job is enqueued in the unit of the change that causes it, so that it exists exactly when that
//! change was committed, and is done at least once.
//!
//! A worker claims what is due under a lease, does it, and says what became of it with the token of that lease: the
//! word of a worker whose lease is over is refused. Handlers whose effect lies in the same store complete their job in
//! the unit of that effect, and so do it exactly once.

mod board;
mod clean_up;
mod deaths;
mod error;
mod handler;
mod jobs;
mod management;
mod queue;
mod retry;
mod schedules;
mod secrets;
mod sweep;
mod wake_up;

pub use board::{JobFilter, JobStatus, Jobs, QueueFigures, QueueStats};
pub use clean_up::{CleanUp, CleanUpTarget, RequestCleanUp, request_clean_up};
pub use deaths::note_deaths;
pub use error::JobError;
pub use handler::{Done, Handler, JobFailure, LeaseLost, Try};
pub use jobs::{Job, JobState, Kind, NewJob, PayloadError};
pub use management::{CancelJob, ReadJobs, RetryJob, cancel_job, retry_job};
pub use queue::{
    Claim, ClaimJobs, Claimed, Claims, DeadLetter, Enqueued, JobQueue, Outcome, Settlement, Turn, Worklist,
};
pub use retry::RetryPolicy;
pub use schedules::{CronError, CronExpression, Schedule, Schedules, fire_schedule, register_schedule};
pub use secrets::{JobSecret, SealError, SealedSecret, Sealer};
pub use sweep::{Stale, Sweep, SweepMode, Sweeper};
pub use wake_up::WakeUp;
