//! Which processes serve.

use async_trait::async_trait;
use std::{fmt, time::Duration};
use tenantry_kernel::{StoreError, Timestamp, World};
use uuid::Uuid;

/// One run of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessId(Uuid);

impl ProcessId {
    /// Another one.
    pub fn new(world: &World) -> Self {
        Self(world.uuid_v7())
    }

    /// As it is stored.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where processes that serve note that they live. It is the system's affair and no tenant's.
#[async_trait]
pub trait Processes {
    /// Notes that the process lives at this moment.
    async fn note_process(&mut self, id: ProcessId, now: Timestamp) -> Result<(), StoreError>;

    /// How many have noted that they live at that moment or after it.
    async fn live_processes(&mut self, since: Timestamp) -> Result<u32, StoreError>;

    /// Takes a process off that stops. It need not be there.
    async fn remove_process(&mut self, id: ProcessId) -> Result<(), StoreError>;

    /// Takes off those that have not noted anything since before that moment, and returns how many they were.
    async fn remove_silent_processes(&mut self, before: Timestamp) -> Result<u64, StoreError>;
}

impl ProcessId {
    /// Between two notes.
    pub const HEARTBEAT: Duration = Duration::from_secs(3);
    /// A process that has noted nothing for so long does not serve any more.
    pub const LIVES: Duration = Duration::from_secs(10);
}
