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
