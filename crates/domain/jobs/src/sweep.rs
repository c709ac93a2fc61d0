//! What is over is swept away in small portions, so that no unit holds others up.

use async_trait::async_trait;
use tenantry_kernel::{StoreError, TenantId, Timestamp};

use crate::JobState;

/// Rows that go once they are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Invitations that expired before the moment, whatever became of them. They belong to tenants.
    Invitations,
    /// Sessions whose last moment, until which a copied token is known as one, came before the moment. Those in a tenant
    /// belong to it.
    Sessions,
    /// Jobs that ended in this state before the moment. Those of a tenant belong to it.
    Jobs(JobState),
    /// Links of persons that expired before the moment.
    Links,
    /// Registrations that expired before the moment.
    Registrations,
    /// Counters of tries whose window was over before the moment.
    Attempts,
    /// Sources from which nobody signed in at or after the moment.
    KnownSources,
    /// Answers that were given before the moment. Those of a session in a tenant belong to it.
    Answers,
    /// Notes of changed authority that were made before the moment, by the store's own clock.
    AuthorityChanges,
    /// Ticks that fired before the moment, but for the last of each schedule.
    ScheduleTicks,
}

/// Which rows are swept, and whether they go or are only counted.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    /// Of which tenant; `None` for every row, those of no tenant among them.
    pub tenant: Option<TenantId>,
    /// What was over before this moment.
    pub before: Timestamp,
    /// What becomes of them.
    pub mode: SweepMode,
}

/// What becomes of rows that are swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepMode {
    /// All of them are counted, and stay.
    Count,
    /// At most so many are deleted.
    Delete {
        /// How many.
        at_most: u32,
    },
}

/// Where stale rows are swept away. Only for System units.
#[async_trait]
pub trait Sweeper: Send {
    /// Deletes or counts stale rows, and returns how many they were. Fails with [`StoreError::Misuse`] when a tenant is
    /// named for rows that belong to none.
    async fn sweep(&mut self, rows: Stale, sweep: Sweep) -> Result<u64, StoreError>;
}
