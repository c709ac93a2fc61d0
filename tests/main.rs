//! End-to-end tests: real HTTP on the real wiring, on both databases. The folders mirror the URLs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[macro_use]
mod support;

mod admin;
mod audit_logs;
mod auth;
mod budgets;
mod data;
mod documents;
mod enumerations;
mod faults;
mod files;
mod health;
mod idempotency;
mod input;
mod invitations;
mod jobs;
mod limits;
mod links;
mod logs;
mod mails;
mod metrics;
mod openapi;
mod permissions;
mod readme;
mod roles;
mod supply;
mod tenant;
mod tenants;
mod two_processes;
mod users;

use support::{ResourceFixture, Server, Tenant, walk::Walk};

/// Creates items of each resource in a tenant, on which the enumerations call its operations.
async fn fixtures(server: &Server, tenant: &Tenant) -> Vec<ResourceFixture> {
    vec![
        audit_logs::fixture(tenant).await,
        auth::fixture(server, tenant).await,
        files::fixture(tenant).await,
        invitations::fixture(tenant).await,
        jobs::fixture(tenant).await,
        roles::fixture(tenant).await,
        users::fixture(server, tenant).await,
    ]
}

/// Calls the operations of each resource so that each succeeds, and fails in every way specific to it.
async fn walk(walk: &Walk<'_>, acme: &Tenant) {
    roles::walk(walk, acme).await;
    users::walk(walk, acme).await;
    jobs::walk(walk).await;
    files::walk(walk).await;
}
