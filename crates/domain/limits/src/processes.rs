//! The live processes that serve requests.

use async_trait::async_trait;
use std::{fmt, time::Duration};
use tenantry_kernel::{Context, StoreError, Timestamp};
use uuid::Uuid;

/// Id of one run of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessId(Uuid);

impl ProcessId {
    /// Creates a new id.
    pub fn new(context: &Context) -> Self {
        Self(context.uuid_v7())
    }

    /// Returns the id as stored.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Port: heartbeats of serving processes. They belong to no tenant, so every method needs a System unit.
#[async_trait]
pub trait Processes {
    /// Records a heartbeat of the process at this time.
    async fn note_process(&mut self, id: ProcessId, now: Timestamp) -> Result<(), StoreError>;

    /// Counts the processes with a heartbeat at or after this time.
    async fn live_processes(&mut self, since: Timestamp) -> Result<u32, StoreError>;

    /// Removes a process that stops. The process need not be recorded.
    async fn remove_process(&mut self, id: ProcessId) -> Result<(), StoreError>;

    /// Removes processes without a heartbeat since this time, and returns their number.
    async fn remove_silent_processes(&mut self, before: Timestamp) -> Result<u64, StoreError>;
}

impl ProcessId {
    /// Interval between heartbeats.
    pub const HEARTBEAT: Duration = Duration::from_secs(3);
    /// A process without a heartbeat for this long counts as stopped.
    pub const LIVES: Duration = Duration::from_secs(10);
}
