//! Implements every repository port on SQLite and on PostgreSQL, over one open transaction: the [`Unit`].
//!
//! SQLite serves as the second implementation, so no other one has to be kept in step.

mod answers;
mod audit_policies;
mod authority;
mod authority_feed;
mod connect;
mod entries;
mod erasure;
mod failure;
mod files;
mod guessing;
mod invitations;
mod jobs;
mod journal;
mod links;
mod memberships;
mod migrate;
mod pages;
mod passwords;
mod people;
mod processes;
mod registrations;
mod roles;
mod scope;
mod seals;
mod sessions;
mod table;
mod tables;
mod tenants;
mod unit;
mod usage;

pub use authority::AuthorityChange;
pub use authority_feed::AuthorityFeed;
pub use connect::{ConnectError, Database, PoolFigures, Store, StoreConfig, Synchronous};
pub use scope::{Scope, SystemReason};
pub use table::{ColumnErasure, ExpiringRows, Expiry, PersonalColumn, RowRetention, Table};
pub use tables::{TABLES, expiring};
pub use unit::{Committed, Unit};
