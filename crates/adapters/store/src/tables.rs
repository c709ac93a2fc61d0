//! Lists the declarations of all tables. Clean-up, erasure, the tests of row-level security and `docs/data.md` read them.

use tenantry_jobs::CleanUpTarget;

use crate::{
    answers, audit_policies, authority_feed, files, guessing, invitations, jobs, journal, links, memberships,
    passwords, people, processes, registrations, roles, seals, sessions,
    table::{ExpiringRows, Table},
    tenants,
};

/// Every table of the database except the one of the migrations. Erasure deletes in this order.
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

/// Returns the rows that clean-up deletes for a target, in the order of the tables.
pub fn expiring(target: CleanUpTarget) -> impl Iterator<Item = &'static ExpiringRows> {
    TABLES.iter().flat_map(Table::expiring).filter(move |rows| rows.target == target)
}
