//! Deletion of expired rows in small portions, so that no unit delays others.

use async_trait::async_trait;
use tenantry_kernel::{StoreError, TenantId, Timestamp};

use crate::JobState;

/// Kinds of rows that are deleted once they have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiredRows {
    /// Invitations that expired before the given time, in any state. They belong to tenants.
    Invitations,
    /// Sessions that expired before the given time. Until then a copied token can be recognised by them. Sessions in a
    /// tenant belong to the tenant.
    Sessions,
    /// Jobs that ended in this state before the given time. Those of a tenant belong to the tenant.
    Jobs(JobState),
    /// Links of users that expired before the given time.
    Links,
    /// Registrations that expired before the given time.
    Registrations,
    /// Counters of attempts whose window ended before the given time.
    Attempts,
    /// Guesses in flight that ended before the given time and were not removed.
    GuessesInFlight,
    /// Sources without a sign-in at or after the given time.
    KnownSources,
    /// Stored responses from before the given time. Those of a session in a tenant belong to the tenant.
    Answers,
    /// Records of authority changes from before the given time, by the clock of the store.
    AuthorityChanges,
    /// Ticks that fired before the given time, except the last of each schedule.
    ScheduleTicks,
}

/// The rows to delete or count.
#[derive(Debug, Clone, Copy)]
pub struct RetentionPass {
    /// The tenant; `None` for every row, including those without a tenant.
    pub tenant: Option<TenantId>,
    /// The time before which the rows expired.
    pub before: Timestamp,
    /// Whether the rows are counted or deleted.
    pub mode: RetentionMode,
}

/// Whether expired rows are counted or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionMode {
    /// Counts all of them and deletes none.
    Count,
    /// Deletes a portion.
    Delete {
        /// Maximum number of rows to delete.
        at_most: u32,
    },
}

/// Port: deletes expired rows. For System units only.
#[async_trait]
pub trait RetentionStore: Send {
    /// Deletes or counts expired rows, and returns their number. Fails with [`StoreError::Misuse`] when a tenant is
    /// named for rows that belong to no tenant.
    async fn apply_retention(&mut self, rows: ExpiredRows, pass: RetentionPass) -> Result<u64, StoreError>;
}
