//! Tests that the schema is migrated once by concurrent servers, and completely or not at all.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::{
    collections::HashSet,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};
use tenantry_store::{ConnectError, Store, StoreConfig};
use tenantry_testkit::{
    databases::{self, TestDatabase},
    vocabulary,
};

use crate::support::config_of;

/// Declares one test per kind of database for a function that takes a factory of empty databases.
macro_rules! on_empty_databases {
    ($($test:ident)*) => {$(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$test(async || super::databases::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$test(super::databases::postgres).await;
            }
        }
    )*};
}

on_empty_databases! {
    fa11_two_stores_that_start_on_an_empty_database_migrate_it_once
    fa11_a_migrated_database_is_left_as_it_is
    fa1_the_next_start_finishes_what_one_that_was_killed_began
    one_connection_is_enough_to_migrate
    asking_whether_all_is_applied_changes_nothing
    a_newer_schema_is_left_as_it_is
    a_schema_that_needs_a_newer_program_is_refused
}

fn is_sqlite(database: &TestDatabase) -> bool {
    database.url().starts_with("sqlite:")
}

/// Returns the names of the applied migrations in order; none when no migration has ever begun.
async fn applied(database: &TestDatabase) -> Vec<String> {
    const APPLIED: &str = "SELECT version FROM seaql_migrations ORDER BY version";
    if is_sqlite(database) {
        let mut connection = SqliteConnection::connect(database.url()).await.unwrap();
        sqlx::query_scalar(APPLIED).fetch_all(&mut connection).await.unwrap_or_default()
    } else {
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        sqlx::query_scalar(APPLIED).fetch_all(&mut connection).await.unwrap_or_default()
    }
}

async fn assert_migrated_once(database: &TestDatabase, store: &Store) {
    assert!(store.is_migrated().await.unwrap());
    let applied = applied(database).await;
    assert!(applied.len() >= 9, "{applied:?}");
    assert_eq!(applied.iter().collect::<HashSet<_>>().len(), applied.len(), "{applied:?}");
    store.ping().await.unwrap();
}

async fn fa11_two_stores_that_start_on_an_empty_database_migrate_it_once(empty: impl AsyncFn() -> TestDatabase) {
    // Creating a SQLite file is fast, and conflicts of two stores that open it are rare.
    let rounds = if is_sqlite(&empty().await) { 40 } else { 10 };
    for _ in 0..rounds {
        let database = empty().await;
        let start = async || {
            let store = Store::connect(config_of(&database), vocabulary()).await.unwrap();
            store.migrate().await.unwrap();
            store
        };
        let (one, other) = futures::join!(start(), start());
        assert_migrated_once(&database, &one).await;
        assert_migrated_once(&database, &other).await;
    }
}

async fn fa11_a_migrated_database_is_left_as_it_is(empty: impl AsyncFn() -> TestDatabase) {
    let database = empty().await;
    let store = Store::connect(config_of(&database), vocabulary()).await.unwrap();
    store.migrate().await.unwrap();
    let before = applied(&database).await;
    store.migrate().await.unwrap();
    assert_eq!(applied(&database).await, before);
    assert_migrated_once(&database, &store).await;
}

/// Polls the work so many times, then drops it.
async fn abandoned_after<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// Abandons the migration after more steps each time, until it completes.
async fn fa1_the_next_start_finishes_what_one_that_was_killed_began(empty: impl AsyncFn() -> TestDatabase) {
    let database = empty().await;
    let mut polls = 0;
    let store = loop {
        let store = Store::connect(config_of(&database), vocabulary()).await.unwrap();
        match abandoned_after(polls, store.migrate()).await {
            Some(migrated) => {
                migrated.unwrap();
                break store;
            }
            None => polls += 1 + polls / 8,
        }
    };
    // How much one poll does depends on how busy the machine is.
    assert!(polls > 4, "there were steps to be killed between: {polls}");
    assert_migrated_once(&database, &store).await;
}

async fn one_connection_is_enough_to_migrate(empty: impl AsyncFn() -> TestDatabase) {
    let database = empty().await;
    let config = StoreConfig { pool_size: 1, ..config_of(&database) };
    let store = Store::connect(config, vocabulary()).await.unwrap();
    store.migrate().await.unwrap();
    assert_migrated_once(&database, &store).await;
}

async fn asking_whether_all_is_applied_changes_nothing(empty: impl AsyncFn() -> TestDatabase) {
    let database = empty().await;
    let store = Store::connect(config_of(&database), vocabulary()).await.unwrap();
    assert!(!store.is_migrated().await.unwrap());
    let asked_again = futures::future::join_all((0..8).map(|_| store.is_migrated())).await;
    assert!(asked_again.into_iter().all(|answer| matches!(answer, Ok(false))));
    assert!(applied(&database).await.is_empty());
}

/// Executes statements with every right.
async fn execute(database: &TestDatabase, sql: &str) {
    if is_sqlite(database) {
        let mut connection = SqliteConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        let sql = format!("SELECT set_config('app.system', 'on', false); {sql}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
}

const NEWER: &str = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29991231_000001_newer', 0)";

async fn a_newer_schema_is_left_as_it_is(empty: impl AsyncFn() -> TestDatabase) {
    let database = empty().await;
    let store = Store::connect(config_of(&database), vocabulary()).await.unwrap();
    store.migrate().await.unwrap();
    execute(&database, NEWER).await;
    let before = applied(&database).await;
    assert!(store.is_migrated().await.unwrap());
    store.migrate().await.unwrap();
    assert_eq!(applied(&database).await, before);
}

async fn a_schema_that_needs_a_newer_program_is_refused(empty: impl AsyncFn() -> TestDatabase) {
    let database = empty().await;
    let store = Store::connect(config_of(&database), vocabulary()).await.unwrap();
    store.migrate().await.unwrap();
    execute(&database, NEWER).await;
    for (oldest, is_refused) in [("0.1.0", false), (env!("CARGO_PKG_VERSION"), false), ("99.0.0", true)] {
        execute(&database, &format!("UPDATE schema_compatibility SET oldest_program = '{oldest}'")).await;
        let refuses = |error: ConnectError| {
            let ConnectError::ProgramTooOld { needed, .. } = &error else { panic!("{error}") };
            assert_eq!(needed.to_string(), oldest);
        };
        assert_eq!(store.is_migrated().await.map_err(refuses).is_err(), is_refused, "{oldest}");
        assert_eq!(store.migrate().await.map_err(refuses).is_err(), is_refused, "{oldest}");
    }
    execute(&database, "UPDATE schema_compatibility SET oldest_program = 'soon'").await;
    assert!(matches!(store.is_migrated().await, Err(ConnectError::Store(_))));
}

/// A migration waits 2 s for a lock, so that requests behind it are served, and then tries again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_does_not_get_a_lock_is_tried_again() {
    const HELD: Duration = Duration::from_secs(3);
    let database = databases::postgres().await;
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let table = "CREATE TABLE seaql_migrations (version varchar PRIMARY KEY, applied_at bigint NOT NULL)";
    sqlx::raw_sql(table).execute(&mut connection).await.unwrap();
    let mut holder = connection.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE seaql_migrations").execute(&mut *holder).await.unwrap();
    let store = Store::connect(config_of(&database), vocabulary()).await.unwrap();
    let began = Instant::now();
    let release = async {
        tokio::time::sleep(HELD).await;
        holder.rollback().await.unwrap();
    };
    let (migrated, ()) = tokio::join!(store.migrate(), release);
    migrated.unwrap();
    assert!(began.elapsed() >= HELD);
    assert_migrated_once(&database, &store).await;
}
