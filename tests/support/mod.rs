//! Building blocks of the tests: servers, clients, users in tenants.

mod authority_lock;
mod browser;
mod client;
mod contract;
mod dump;
mod exposition;
pub(crate) mod fixture;
mod jwt;
pub(crate) mod links;
mod log;
mod mails;
mod operator;
pub(crate) mod pages;
pub(crate) mod pair;
mod people;
pub(crate) mod record;
pub(crate) mod routes;
mod server;
pub(crate) mod snapshot;
mod sql;
mod waiting;
pub(crate) mod walk;
pub(crate) mod wire;

pub(crate) use browser::Browser;
pub(crate) use client::{Client, Reply, fetch, http};
pub(crate) use exposition::Sample;
pub(crate) use fixture::{Fixture, ResourceFixture};
pub(crate) use jwt::{Forge, claims_of, header_of, sign_with_hmac, unsigned};
pub(crate) use links::{CHOSEN, Linked};
pub(crate) use log::Log;
pub(crate) use mails::Mailed;
pub(crate) use people::{Member, PASSWORD, Tenant};
pub(crate) use record::Record;
pub(crate) use server::{Kind, Server, ServerData, Settings};
pub(crate) use sql::Sql;
pub(crate) use tenantry_testkit::rounds;
pub(crate) use waiting::{eventually, within};
pub(crate) use wire::Wire;

/// Generates two tests for each `async fn name(server: Server)`: one on SQLite and one on PostgreSQL. `settings (NAME =
/// "value");` before the first configures their servers.
macro_rules! on_both_databases {
    (settings $settings:tt; $(async fn $name:ident($server:ident: Server) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "each test uses what it needs of its file")]
            use super::*;

            async fn test($server: crate::support::Server) $body

            #[test]
            fn sqlite() {
                crate::support::Server::run(crate::support::Kind::Sqlite, settings!$settings, test);
            }

            #[test]
            fn postgres() {
                crate::support::Server::run(crate::support::Kind::Postgres, settings!$settings, test);
            }
        }
    )*};
    ($($tests:tt)*) => { on_both_databases! { settings (); $($tests)* } };
}

macro_rules! settings {
    ($($name:ident = $value:literal),* $(,)?) => {
        crate::support::Settings::default()$(.set(stringify!($name), $value))*
    };
}
