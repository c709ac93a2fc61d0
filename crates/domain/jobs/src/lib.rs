//! Background work. A job is enqueued in the unit of the change that causes it, so that it exists exactly when that
//! change was committed, and is done at least once.
//!
//! A worker claims what is due under a lease, does it, and says what became of it with the token of that lease: the
//! word of a worker whose lease is over is refused. Handlers whose effect lies in the same store complete their job in
//! the unit of that effect, and so do it exactly once.

mod jobs;
mod queue;
mod retry;
mod secrets;
mod wake_up;

pub use jobs::{Job, JobState, Kind, NewJob, PayloadError};
pub use queue::{Claim, ClaimJobs, Claimed, Enqueued, JobQueue, Next, Worklist};
pub use retry::RetryPolicy;
pub use secrets::{JobSecret, SealError, SealedSecret, Sealer};
pub use wake_up::WakeUp;
