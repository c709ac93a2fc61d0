//! Building blocks of Tenantry's tests: a contract suite for each group of ports, which every adapter has to pass, and
//! throw-away databases, mail servers and an S3 server to run it on. It knows the domain's ports and no adapter, so
//! that a new adapter runs the same tests.
//!
//! The author of an adapter implements once how its units are opened and committed ([`Units`]). Then each suite is
//! listed by name, and each of its cases becomes a separate test on each adapter, named as in
//! `roles::holders_are_counted::sqlite`:
//!
//! ```text
//! tenantry_testkit::contract_tests! {
//!     on { sqlite: crate::support::sqlite().await, postgres: crate::support::postgres().await }
//!     roles memberships
//! }
//! ```
//!
//! [`store_contract_tests!`] does this for every suite of a store. A suite requires only the ports that it uses: an adapter that only counts attempts runs [`attempts`] alone. A case
//! creates its own tenants and users, and panics at the first broken promise. The expression beside the name is
//! evaluated for each case, so that each has its own store. The store reads permissions by [`vocabulary()`], or by a
//! vocabulary that contains its declarations.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

#[macro_use]
mod must;
#[macro_use]
mod suite;

pub mod attempts;
pub mod authorities;
pub mod blobs;
pub mod cache;
pub mod context;
pub mod credentials;
pub mod databases;
pub mod erasure;
pub mod files;
pub mod idempotency;
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
pub mod retention;
pub mod roles;
pub mod s3;
pub mod schedules;
pub mod seals;
pub mod sessions;
pub mod smtp;
pub mod tenants;
pub mod units;
pub mod wake_up;

mod paging;
mod rounds;
mod scene;
mod vocabulary;

/// Generates the tests of every suite that a complete store must pass, as [`contract_tests!`] does.
#[macro_export]
macro_rules! store_contract_tests {
    (on $adapters:tt) => {
        $crate::contract_tests! {
            on $adapters
            attempts authorities credentials erasure files idempotency invitations jobs journal links memberships people
            processes registrations retention roles schedules seals sessions tenants units
        }
    };
}

pub use rounds::rounds;
pub use scene::Directory;
pub use units::{TestScope, Units};
pub use vocabulary::vocabulary;
