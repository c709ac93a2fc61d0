//! Tests of a stop under load.

use reqwest::StatusCode;
use rustix::process::Signal;
use sqlx::{Postgres, Sqlite, pool::PoolConnection};
use std::time::{Duration, Instant};

use super::{
    answer_within,
    ledger::{assert_clean, report},
    load::Load,
    on_each_database,
    process::{Process, settings},
};
use crate::support::{Kind, ServerData, Sql, fetch};

/// Number of requests that are acknowledged before the stop.
const AT_WORK: usize = 20;
/// How long the server still serves, and how long the stop may take in all.
const DELAY: Duration = Duration::from_secs(8);
const GRACE: Duration = Duration::from_secs(20);
/// Maximum time until a signal is handled, with all that has to happen at once.
const AT_ONCE: Duration = Duration::from_secs(2);
/// How often the test sees the server serve while it reports that it is not ready.
const SEEN_SERVING: u32 = 3;
/// Time before the end of the delay at which a request starts that cannot complete before it.
const MARGIN: Duration = Duration::from_millis(400);
/// Maximum time to get SQLite's only writer beside a load that takes it again and again.
const TAKING_HOLD: Duration = Duration::from_millis(1_500);

on_each_database! {
    async fn fa10_a_stopping_server_finishes_what_it_has_begun(kind: Kind) {
        let place = ServerData::new(kind).await;
        let settings = settings().set("STOP_DELAY", "8s").set("STOP_GRACE", "20s");
        let mut server = Process::start(&place, &settings).await;
        let load = Load::start(server.url());
        load.progress(AT_WORK).await;
        let (books, home, sql) = (load.books(), load.books().home(), place.sql().await);

        server.signal(Signal::TERM);
        let told = Instant::now();
        answer_within(AT_ONCE, "not ready", async || (status(&server, "readyz").await? == 503).then_some(())).await;
        for _ in 0..SEEN_SERVING {
            assert_eq!(home.sees_roles(books).await.unwrap().status, 200);
            assert_eq!(home.makes_role(books).await.unwrap().status, 201);
            assert_eq!(status(&server, "readyz").await.unwrap(), 503);
            assert_eq!(status(&server, "livez").await.unwrap(), 200);
        }
        // Requests accepted now can only complete when the server no longer accepts any.
        let begins = told + DELAY - MARGIN;
        tokio::time::sleep_until((begins - TAKING_HOLD).into()).await;
        let held = Hold::all_writers(&sql).await;
        assert!(Instant::now() < begins, "the writer was not available in time");
        tokio::time::sleep_until(begins.into()).await;
        let under_way = async { home.makes_role(books).await.unwrap() };
        let released = async {
            answer_within(DELAY, "no connection is accepted", async || status(&server, "livez").await.is_none().then_some(())).await;
            held.release().await;
        };
        let (answer, ()) = tokio::join!(under_way, released);
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert!(told.elapsed() > DELAY, "the server kept serving for as long as it was to");

        let exit = server.ended(GRACE - told.elapsed()).await;
        assert_eq!(exit.code(), Some(0));
        assert!(server.entry("stopped").is_some());
        let server = Process::start(&place, &settings).await;
        load.redirect(server.url());
        load.progress(AT_WORK).await;
        let books = load.finish().await;
        report("FA10", &books);
        assert_clean(&books, &sql).await;
        assert_eq!(*books.unanswered.read().unwrap(), [""; 0]);
    }

    async fn fa10_a_second_signal_quits_at_once(kind: Kind) {
        let place = ServerData::new(kind).await;
        let settings = settings().set("STOP_DELAY", "20s").set("STOP_GRACE", "25s");
        let mut server = Process::start(&place, &settings).await;
        let load = Load::start(server.url());
        load.progress(AT_WORK).await;
        server.signal(Signal::TERM);
        answer_within(AT_ONCE, "it hears the first", async || server.entry("stopping")).await;
        load.progress(AT_WORK).await;
        server.signal(Signal::TERM);
        let exit = server.ended(AT_ONCE).await;
        assert!(exit.code().is_some(), "it ends by itself: {exit}");

        let server = Process::start(&place, &settings).await;
        load.redirect(server.url());
        load.progress(AT_WORK).await;
        assert_clean(&load.finish().await, &place.sql().await).await;
    }
}

async fn status(server: &Process, path: &str) -> Option<StatusCode> {
    fetch(format!("{}/{path}", server.url())).await.ok().map(|answer| answer.status())
}

/// A lock that blocks all changes.
pub(super) enum Hold {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Hold {
    /// Waits for the running writers and blocks later ones.
    pub(super) async fn all_writers(sql: &Sql) -> Self {
        match sql {
            Sql::Sqlite(pool) => {
                let mut connection = pool.acquire().await.unwrap();
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await.unwrap();
                Self::Sqlite(connection)
            }
            Sql::Postgres(pool) => {
                let mut connection = pool.acquire().await.unwrap();
                sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
                // Reads continue; every change appends to the journal.
                sqlx::raw_sql("LOCK TABLE journal IN SHARE MODE").execute(&mut *connection).await.unwrap();
                Self::Postgres(connection)
            }
        }
    }

    pub(super) async fn release(self) {
        match self {
            Self::Sqlite(mut connection) => drop(sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.unwrap()),
            Self::Postgres(mut connection) => drop(sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.unwrap()),
        }
    }
}
