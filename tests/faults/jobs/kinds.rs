//! The kinds of jobs that the worker of these tests runs.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenantry_jobs::{Kind, RetryPolicy};

/// The queue that the worker serves.
pub(crate) const QUEUE: &str = "errands";

/// Delay before a job is retried.
pub(crate) const SOON: Duration = Duration::from_millis(100);

/// Takes some time. With `in_unit` it runs in a unit that leaves a receipt: a job of a queue without workers.
#[derive(Serialize, Deserialize)]
pub(crate) struct Nap {
    pub(crate) first_millis: u64,
    pub(crate) later_millis: u64,
    pub(crate) in_unit: bool,
}

impl Kind for Nap {
    const NAME: &'static str = "nap";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = QUEUE;
    const RETRY: RetryPolicy = RetryPolicy { max_attempts: 9, first: SOON, longest: SOON };
    const TIME_LIMIT: Duration = Duration::from_secs(90);
}

/// Ends the process that runs it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Crash {}

impl Kind for Crash {
    const NAME: &'static str = "crash";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = QUEUE;
    const RETRY: RetryPolicy = RetryPolicy { max_attempts: 3, first: SOON, longest: SOON };
}

/// Panics. It has more attempts than [`Crash`] can cost it, so that its own panics make it a dead letter.
#[derive(Serialize, Deserialize)]
pub(crate) struct Panic {}

impl Kind for Panic {
    const NAME: &'static str = "panic";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = QUEUE;
    const RETRY: RetryPolicy = RetryPolicy { max_attempts: 6, first: SOON, longest: SOON };
}
