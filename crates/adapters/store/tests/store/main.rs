//! Tests of the store on both databases: the contract of every port, and behaviour that only a database can show.
//!
//! `TEST_DATABASE_URL` names the PostgreSQL server; `cargo xtask test` finds or starts it.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

/// Declares one test per database for a function that takes the [`support::Opened`] store.
macro_rules! on_both_databases {
    ($($test:ident)*) => {$(
        mod $test {
            #[tokio::test]
            async fn sqlite() {
                super::$test(crate::support::sqlite().await).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$test(crate::support::postgres().await).await;
            }
        }
    )*};
}

mod authority_feed;
mod collisions;
mod contracts;
mod deadlines;
mod inconsistencies;
mod jobs;
mod migrations;
mod proxy;
mod read_only;
mod row_level_security;
mod stored_states;
mod support;
mod tables;
mod units;
mod usage;
