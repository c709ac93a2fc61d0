//! The port through which a worker opens units.

use std::future::Future;
use tenantry_jobs::{JobClaims, JobQueue, Schedules};
use tenantry_kernel::{Journal, StoreError};

/// Port: a store with a queue. Its units see the jobs of every tenant.
pub trait JobStore: Clone + Send + Sync + 'static {
    /// An open transaction. Dropping it rolls back.
    type Unit: JobClaims + Schedules + JobQueue + Journal + Send;

    /// Opens a unit for reading, which does not block writers.
    fn read(&self) -> impl Future<Output = Result<Self::Unit, StoreError>> + Send;

    /// Opens a unit for writing.
    fn begin(&self) -> impl Future<Output = Result<Self::Unit, StoreError>> + Send;

    /// Commits the unit.
    fn commit(&self, unit: Self::Unit) -> impl Future<Output = Result<(), StoreError>> + Send;
}
