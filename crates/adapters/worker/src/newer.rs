//! Jobs that only a newer program can run: of a kind without a handler here, or with a payload of a newer version.

use std::{collections::HashMap, time::Duration};
use tenantry_jobs::{Job, PayloadFormat};
use tokio::time::Instant;

/// Time for which a worker does not claim jobs of a format again that it could not run.
const LEFT: Duration = Duration::from_secs(30);

/// The formats whose jobs a worker leaves to others, each until a time.
#[derive(Default)]
pub(crate) struct LeftToOthers(HashMap<PayloadFormat, Instant>);

impl LeftToOthers {
    /// Leaves jobs of the same format as this one to others.
    pub(crate) fn leave(&mut self, job: &Job) {
        metrics::counter!("tenantry_jobs_newer_total").increment(1);
        let format = PayloadFormat { kind: job.kind.clone(), version: job.version };
        let was_left = self.0.insert(format, Instant::now() + LEFT).is_some();
        if !was_left {
            tracing::warn!(
                job = %job.id, kind = job.kind, version = job.version,
                "this program is too old for a job and leaves its kind to newer workers"
            );
        }
    }

    /// Returns the formats that are left to others now.
    pub(crate) fn formats(&mut self) -> Vec<PayloadFormat> {
        let now = Instant::now();
        self.0.retain(|_, until| now < *until);
        self.0.keys().cloned().collect()
    }
}
