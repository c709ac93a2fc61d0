//! The form in which each table is declared, beside its rows: which units see the rows, when rows expire, and how
//! erasure treats a user's personal data.

use std::time::Duration;
use tenantry_jobs::{CleanUpTarget, ExpiredRows};

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = HOUR.saturating_mul(24);

/// Facts about a table besides its columns.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The name.
    pub name: &'static str,
    /// Condition for the rows that a unit of the tenant `$1` sees; `None` where it sees none. A policy on PostgreSQL
    /// states the same.
    pub of_tenant: Option<&'static str>,
    /// Condition for the rows that a unit of the user `$1` outside any tenant sees; `None` where it sees none.
    pub of_person: Option<&'static str>,
    /// When rows expire and are deleted.
    pub expires: &'static [Expiry],
    /// The columns that hold personal data of users, or whose names suggest it.
    pub personal: &'static [PersonalColumn],
}

/// How expired rows of a table are deleted.
#[derive(Debug, Clone, Copy)]
pub enum Expiry {
    /// Clean-up deletes them.
    CleanUp(ExpiringRows),
    /// A dedicated function removes them.
    By {
        /// The function.
        function: &'static str,
        /// The rows, and when they expire.
        rows: &'static str,
    },
}

/// Rows that clean-up deletes.
#[derive(Debug, Clone, Copy)]
pub struct ExpiringRows {
    /// The clean-up target that they belong to.
    pub target: CleanUpTarget,
    /// Their name in the domain.
    pub rows: ExpiredRows,
    /// Description of the rows, for the documents.
    pub what: &'static str,
    /// The condition for a row to be expired at the time `$1`.
    pub over: &'static str,
    /// The column that names the tenant, if the rows belong to tenants.
    pub tenant: Option<&'static str>,
    /// For how long they are kept once they are over.
    pub kept: RowRetention,
}

/// How long expired rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowRetention {
    /// For so long.
    For(Duration),
    /// For the duration in `JOBS_KEEP_COMPLETED`.
    CompletedJobs,
    /// For the duration in `JOBS_KEEP_DEAD`.
    DeadJobs,
}

/// A column that holds personal data of users, or whose name suggests it.
#[derive(Debug, Clone, Copy)]
pub struct PersonalColumn {
    /// The name.
    pub name: &'static str,
    /// What erasure of the user does to the column.
    pub erasure: ColumnErasure,
}

/// What erasure of a user does to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnErasure {
    /// The column holds the user's id. Erasure deletes the rows.
    DeleteById,
    /// The column holds the user's address. Erasure deletes the rows.
    DeleteByAddress,
    /// The column is text that may hold the address as a JSON string. Erasure deletes the rows.
    DeleteByAddressInText,
    /// The column is bytes that may hold the address as a JSON string. Erasure deletes the rows.
    DeleteByAddressInBytes,
    /// The value is deleted with its row, by another column or a foreign key.
    WithRow,
    /// A function deletes or replaces the value.
    By {
        /// The function.
        function: &'static str,
        /// The value that remains.
        leaves: &'static str,
    },
    /// The value stays, for this reason.
    Stays(&'static str),
}

impl PersonalColumn {
    pub(crate) const fn new(name: &'static str, erasure: ColumnErasure) -> Self {
        Self { name, erasure }
    }

    /// Declares a column that stays, for this reason.
    pub(crate) const fn stays(name: &'static str, reason: &'static str) -> Self {
        Self { name, erasure: ColumnErasure::Stays(reason) }
    }
}

impl Table {
    /// Returns the rows of the table that clean-up deletes.
    pub fn expiring(&self) -> impl Iterator<Item = &'static ExpiringRows> {
        self.expires.iter().filter_map(|expiry| match expiry {
            Expiry::CleanUp(rows) => Some(rows),
            Expiry::By { .. } => None,
        })
    }
}
