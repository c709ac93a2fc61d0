//! Tests that throw-away databases are fresh, separate, and removed afterwards.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, SqliteConnection};
use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};
use tenantry_testkit::databases::{TestDatabase, postgres, postgres_from_template, sqlite, sqlite_from_template};

async fn run(url: &str, statement: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(statement).execute(&mut connection).await?;
    connection.close().await
}

async fn count(database: &TestDatabase) -> i64 {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM thing").fetch_one(&mut connection).await.unwrap()
}

/// Returns whether the database exists. Asks through another database, because this one may be removed.
async fn exists(url: &str) -> bool {
    let name = url.rsplit('/').next().unwrap();
    let other = postgres().await;
    let mut connection = PgConnection::connect(other.url()).await.unwrap();
    let statement = format!("SELECT EXISTS (SELECT FROM pg_database WHERE datname = '{name}')");
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut connection).await.unwrap()
}

/// Removes the template: a long-running server may have it from an earlier run of this build.
async fn forget_template(name: &str) {
    let other = postgres().await;
    let mut connection = PgConnection::connect(other.url()).await.unwrap();
    let found: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1)")
            .bind(format!("tenantry_template_{name}_"))
            .fetch_all(&mut connection)
            .await
            .unwrap();
    for name in found {
        let statement = format!("ALTER DATABASE {name} IS_TEMPLATE false");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        let statement = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[tokio::test]
async fn a_sqlite_database_is_a_file_that_goes() {
    let database = sqlite();
    let path = database.url().strip_prefix("sqlite://").unwrap().strip_suffix("?mode=rwc").unwrap().to_owned();
    let mut connection = SqliteConnection::connect(database.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE thing (id integer)").execute(&mut connection).await.unwrap();
    assert!(Path::new(&path).exists());
    connection.close().await.unwrap();
    drop(database);
    assert!(!Path::new(&path).parent().unwrap().exists());
}

#[tokio::test]
async fn a_sqlite_template_is_prepared_once_and_its_copies_are_apart() {
    static PREPARED: AtomicUsize = AtomicUsize::new(0);
    let copy = || {
        sqlite_from_template("once", async |url| {
            PREPARED.fetch_add(1, Ordering::SeqCst);
            let mut connection = SqliteConnection::connect(url).await?;
            // The contents of a write-ahead log are copied too.
            sqlx::raw_sql("PRAGMA journal_mode = WAL; CREATE TABLE thing (id integer); INSERT INTO thing VALUES (1)")
                .execute(&mut connection)
                .await?;
            connection.close().await
        })
    };
    let copies = [copy().await, copy().await];
    assert!(PREPARED.load(Ordering::SeqCst) <= 1, "an earlier run of this build may have left it");
    for written in 1..=2 {
        for copy in &copies {
            let mut connection = SqliteConnection::connect(copy.url()).await.unwrap();
            let count = "SELECT count(*) FROM thing";
            let found: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
            assert_eq!(found, written, "a copy must not see what is written to another");
            sqlx::raw_sql("INSERT INTO thing VALUES (2)").execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_postgres_database_goes_although_somebody_is_connected() {
    let database = postgres().await;
    let url = database.url().to_owned();
    let pool = PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE thing (id integer)").execute(&pool).await.unwrap();
    assert!(exists(&url).await);
    drop(database);
    assert!(!exists(&url).await);
}

#[test]
fn a_guard_may_be_dropped_outside_a_runtime() {
    let database = block_on(postgres());
    let url = database.url().to_owned();
    drop(database);
    assert!(!block_on(exists(&url)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_is_prepared_once_and_copied_for_each() {
    static PREPARED: AtomicUsize = AtomicUsize::new(0);
    forget_template("once").await;
    let copies = futures::future::join_all((0..8).map(|_| {
        postgres_from_template("once", async |url| {
            PREPARED.fetch_add(1, Ordering::SeqCst);
            // Left open on purpose: a caller's pool may close after the preparation returns.
            let connection = PgConnection::connect(url).await?;
            std::mem::forget(connection);
            run(url, "CREATE TABLE thing (id integer); INSERT INTO thing VALUES (1)").await
        })
    }))
    .await;
    assert_eq!(PREPARED.load(Ordering::SeqCst), 1);
    run(copies[0].url(), "INSERT INTO thing VALUES (2)").await.unwrap();
    assert_eq!(count(&copies[0]).await, 2);
    for copy in &copies[1..] {
        assert_eq!(count(copy).await, 1, "a copy must not see what is written to another");
    }
}

#[tokio::test]
async fn a_failed_preparation_is_done_again() {
    forget_template("again").await;
    let failing = tokio::spawn(postgres_from_template("again", async |url| {
        run(url, "CREATE TABLE thing (id integer)").await?;
        run(url, "SELECT nonsense").await
    }));
    let panic = failing.await.err().expect("what prepares the template fails").into_panic();
    assert!(panic.downcast_ref::<String>().unwrap().contains("could not be prepared"));
    let database = postgres_from_template("again", async |url| run(url, "CREATE TABLE thing (id integer)").await).await;
    assert_eq!(count(&database).await, 0);
}
