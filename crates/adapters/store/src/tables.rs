//! One declaration for each table: whose units see its rows, when rows expire, and what becomes of a person's data when
//! the person is erased. Clean-up, erasure, the tests of row-level security and `docs/data.md` read the declarations.

use std::time::Duration;
use tenantry_jobs::{CleanUpTarget, Stale};

use crate::{
    answers, audit_policies, authority_feed, files, guessing, invitations, jobs, journal, links, memberships,
    passwords, people, processes, registrations, roles, seals, sessions, tenants,
};

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = HOUR.saturating_mul(24);

/// What is to be known of a table beside its columns.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The name.
    pub name: &'static str,
    /// The rows that a unit of the tenant `$1` sees; `None` where it sees none. On PostgreSQL a policy says the same.
    pub of_tenant: Option<&'static str>,
    /// The rows that a unit of the person `$1` outside any tenant sees; `None` where it sees none.
    pub of_person: Option<&'static str>,
    /// When rows go without being asked.
    pub expires: &'static [Expiry],
    /// The columns that hold a person's data, or whose names look so.
    pub personal: &'static [PersonalColumn],
}

/// When rows of a table go.
#[derive(Debug, Clone, Copy)]
pub enum Expiry {
    /// Clean-up deletes them.
    CleanUp(ExpiringRows),
    /// A function of its own removes them.
    By {
        /// The function.
        function: &'static str,
        /// Which rows, and when.
        rows: &'static str,
    },
}

/// Rows that clean-up deletes.
#[derive(Debug, Clone, Copy)]
pub struct ExpiringRows {
    /// The target that they belong to.
    pub target: CleanUpTarget,
    /// What the domain calls them.
    pub rows: Stale,
    /// Which rows, for the documents.
    pub what: &'static str,
    /// The condition for a row to be over at the moment `$1`.
    pub over: &'static str,
    /// The column by which they belong to tenants, if they do.
    pub tenant: Option<&'static str>,
    /// For how long they are kept once they are over.
    pub kept: RowRetention,
}

/// For how long rows are kept once they are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowRetention {
    /// For so long.
    For(Duration),
    /// As `JOBS_KEEP_COMPLETED` says.
    CompletedJobs,
    /// As `JOBS_KEEP_DEAD` says.
    DeadJobs,
}

/// A column that holds a person's data, or whose name looks so.
#[derive(Debug, Clone, Copy)]
pub struct PersonalColumn {
    /// The name.
    pub name: &'static str,
    /// What becomes of it when the person is erased.
    pub erasure: ColumnErasure,
}

/// What becomes of a column when a person is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnErasure {
    /// It holds the person's id. The rows are deleted.
    DeleteById,
    /// It holds the person's address. The rows are deleted.
    DeleteByAddress,
    /// It is text that may hold the address as a string of JSON. The rows are deleted.
    DeleteByAddressInText,
    /// It is bytes that may hold the address as a string of JSON. The rows are deleted.
    DeleteByAddressInBytes,
    /// It goes with its row, which another column or a foreign key deletes.
    WithRow,
    /// A function deletes or replaces it.
    By {
        /// The function.
        function: &'static str,
        /// What is there afterwards.
        leaves: &'static str,
    },
    /// It stays, for this reason.
    Stays(&'static str),
}

impl PersonalColumn {
    pub(crate) const fn new(name: &'static str, erasure: ColumnErasure) -> Self {
        Self { name, erasure }
    }

    /// A column that stays, for this reason.
    pub(crate) const fn stays(name: &'static str, reason: &'static str) -> Self {
        Self { name, erasure: ColumnErasure::Stays(reason) }
    }
}

/// Every table of the database but for that of the migrations. Erasure deletes in this order.
pub const TABLES: &[Table] = &[
    people::TABLE,
    answers::TABLE,
    passwords::TABLE,
    links::TABLE,
    sessions::TABLE,
    tenants::TABLE,
    roles::TABLE,
    memberships::TABLE,
    memberships::ROLES_TABLE,
    registrations::TABLE,
    invitations::TABLE,
    invitations::ROLES_TABLE,
    jobs::TABLE,
    jobs::SCHEDULES_TABLE,
    jobs::TICKS_TABLE,
    files::TABLE,
    files::USAGE_TABLE,
    journal::TABLE,
    journal::PARTS_TABLE,
    journal::UNSEALED_TABLE,
    seals::TABLE,
    audit_policies::TABLE,
    guessing::TABLE,
    guessing::SOURCES_TABLE,
    authority_feed::TABLE,
    processes::TABLE,
];

impl Table {
    /// Returns what clean-up deletes of the table.
    pub fn expiring(&self) -> impl Iterator<Item = &'static ExpiringRows> {
        self.expires.iter().filter_map(|expiry| match expiry {
            Expiry::CleanUp(rows) => Some(rows),
            Expiry::By { .. } => None,
        })
    }
}

/// Returns what clean-up deletes for a target, in the order of the tables.
pub fn expiring(target: CleanUpTarget) -> impl Iterator<Item = &'static ExpiringRows> {
    TABLES.iter().flat_map(Table::expiring).filter(move |rows| rows.target == target)
}
