//! Implements every repository port on SQLite and on PostgreSQL, over one open transaction: the [`Unit`].
//!
//! SQLite serves as the second implementation, so no other one has to be kept in step.

mod audit_policies;
mod authority;
mod authority_feed;
mod connect;
mod entries;
mod erasure;
mod failure;
mod files;
mod guessing;
mod idempotency;
mod invitations;
mod jobs;
mod journal;
mod links;
mod memberships;
mod migrate;
mod name_keys;
mod pages;
mod passwords;
mod people;
#[cfg(test)]
mod planning_tests;
mod postgres;
mod processes;
mod registrations;
mod roles;
mod scope;
mod seals;
mod sessions;
mod table;
mod tenants;
mod transaction;
mod unit;
mod usage;

pub use authority::AuthorityChange;
pub use authority_feed::{AuthorityFeed, FeedRead};
pub use connect::{ConnectError, Database, PoolFigures, Store, StoreConfig, Synchronous};
pub use name_keys::OutdatedKeys;
pub use scope::{Scope, SystemReason};
pub use table::{ColumnErasure, ExpiringRows, Expiry, PersonalColumn, RowRetention, Table};
pub use unit::{Committed, Unit};

use tenantry_jobs::CleanUpTarget;

/// The declaration of every table except the one of the migrations. Clean-up, erasure, the tests of row-level security
/// and `docs/data.md` read them. Erasure deletes in this order.
pub const TABLES: &[Table] = &[
    people::TABLE,
    idempotency::TABLE,
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
    guessing::IN_FLIGHT_TABLE,
    guessing::SOURCES_TABLE,
    authority_feed::TABLE,
    processes::TABLE,
    migrate::TABLE,
];

/// Returns the rows that clean-up deletes for a target, in the order of the tables.
pub fn expiring(target: CleanUpTarget) -> impl Iterator<Item = &'static ExpiringRows> {
    TABLES.iter().flat_map(Table::expiring).filter(move |rows| rows.target == target)
}
