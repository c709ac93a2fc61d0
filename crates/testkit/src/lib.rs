//! What tests of Tenantry are made with: a contract suite for each group of ports, which every adapter has to pass, and
//! throw-away databases, mail servers and a server of S3 to run it on. It knows the domain's ports and no adapter, so that a new adapter
//! is proved with the same tests.
//!
//! An adapter's author says once how its units are opened and committed ([`Units`]). Then each suite is one word, and each of
//! its cases is a test of its own on each adapter, named as in `roles::holders_are_counted::sqlite`:
//!
//! ```text
//! tenantry_testkit::contract_tests! {
//!     on { sqlite: crate::support::sqlite().await, postgres: crate::support::postgres().await }
//!     roles memberships
//! }
//! ```
//!
//! A suite asks for no more ports than it needs: an adapter that only counts tries is proved by [`attempts`] alone. A case
//! makes its own tenants and people, and panics at the first promise that is not kept. The expression beside the name is
//! evaluated for each case, so that each has a store of its own. The store reads permissions by [`vocabulary()`], or by a
//! vocabulary that has these declarations and more.

#![expect(clippy::unwrap_used, reason = "what tests are made of may fail loudly")]

#[macro_use]
mod must;
#[macro_use]
mod suite;

pub mod answers;
pub mod attempts;
pub mod authorities;
pub mod blobs;
pub mod cache;
pub mod credentials;
pub mod databases;
pub mod erasure;
pub mod files;
pub mod invalidation;
pub mod invitations;
pub mod jobs;
pub mod journal;
pub mod ledger;
pub mod limiter;
pub mod links;
pub mod mailer;
pub mod memberships;
pub mod people;
pub mod processes;
pub mod redis;
pub mod registrations;
pub mod roles;
pub mod s3;
pub mod schedules;
pub mod seals;
pub mod sessions;
pub mod smtp;
pub mod sweeps;
pub mod tenants;
pub mod units;
pub mod wake_up;
pub mod world;

mod paging;
mod rounds;
mod scene;
mod vocabulary;

pub use rounds::rounds;
pub use scene::Directory;
pub use units::{TestScope, Units};
pub use vocabulary::vocabulary;
