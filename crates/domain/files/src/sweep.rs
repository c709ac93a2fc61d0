//! The sweep: deletes bytes without a record and reports records without bytes.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenantry_jobs::{Kind, RetryPolicy};

/// The job that compares stored bytes with records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepBlobs {}

impl Kind for SweepBlobs {
    const NAME: &'static str = "sweep_blobs";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "maintenance";
    // The job of the next day continues.
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 3, first: Duration::from_secs(60), longest: Duration::from_secs(600) };
    const TIME_LIMIT: Duration = Duration::from_secs(3600);
}

impl SweepBlobs {
    /// Minimum age of bytes without a record before they are deleted: a running upload has no record yet, and none
    /// lasts this long.
    pub const SPARED: Duration = Duration::from_secs(24 * 3600);
}
