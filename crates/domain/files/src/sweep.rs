//! The sweep: bytes that belong to no record go, and records that have no bytes are told of.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenantry_jobs::{Kind, RetryPolicy};

/// The job that compares what is stored with what is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepBlobs {}

impl Kind for SweepBlobs {
    const NAME: &'static str = "sweep_blobs";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "maintenance";
    // The next day's goes on.
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 3, first: Duration::from_secs(60), longest: Duration::from_secs(600) };
    const TIME_LIMIT: Duration = Duration::from_secs(3600);
}

impl SweepBlobs {
    /// Bytes without a record are left alone for so long: an upload that is under way has none yet, and none lasts as
    /// long as this.
    pub const SPARED: Duration = Duration::from_secs(24 * 3600);
}
