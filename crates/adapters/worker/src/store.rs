//! Where a worker's units come from.

use std::future::Future;
use tenantry_jobs::{JobQueue, Schedules, Worklist};
use tenantry_kernel::{Journal, StoreError};

/// A store with a queue. Its units see the jobs of every tenant.
pub trait JobStore: Clone + Send + Sync + 'static {
    /// One open transaction. What is not committed is rolled back when it is dropped.
    type Unit: Worklist + Schedules + JobQueue + Journal + Send;

    /// A unit for looking, which does not stand in the way of those that write.
    fn read(&self) -> impl Future<Output = Result<Self::Unit, StoreError>> + Send;

    /// A unit for writing.
    fn begin(&self) -> impl Future<Output = Result<Self::Unit, StoreError>> + Send;

    /// Makes everything in the unit last.
    fn commit(&self, unit: Self::Unit) -> impl Future<Output = Result<(), StoreError>> + Send;
}
