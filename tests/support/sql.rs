//! Access to the database behind the API, past every scope.

use sqlx::{AssertSqlSafe, PgPool, Row, SqlitePool, postgres::PgPoolOptions, sqlite::SqliteConnectOptions};
use std::path::Path;
use uuid::Uuid;

/// The database of a server, read with every right.
#[derive(Clone)]
pub(crate) enum Sql {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Sql {
    pub(crate) async fn sqlite(file: &Path) -> Self {
        Self::Sqlite(SqlitePool::connect_with(SqliteConnectOptions::new().filename(file)).await.unwrap())
    }

    pub(crate) async fn postgres(url: &str) -> Self {
        let pool = PgPoolOptions::new().max_connections(2).after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::query("SELECT set_config('app.system', 'on', false)").execute(connection).await?;
                Ok(())
            })
        });
        Self::Postgres(pool.connect(url).await.unwrap())
    }

    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(pool) => drop(sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap()),
            Self::Postgres(pool) => drop(sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap()),
        }
    }

    /// Returns the result of a query of one number.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap(),
        }
    }

    /// Returns the results of a query of one text column.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap(),
        }
    }

    /// Returns an id as this database writes it in a statement.
    pub(crate) fn id(&self, id: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("X'{}'", id.replace('-', "")),
            Self::Postgres(_) => format!("'{id}'"),
        }
    }

    /// Returns the actions and outcomes that a request wrote to the journal, in order.
    pub(crate) async fn events_of(&self, request: Uuid) -> Vec<(String, String)> {
        let sql = "SELECT action, outcome FROM journal WHERE request_id = $1 ORDER BY id, action";
        match self {
            Self::Sqlite(pool) => {
                let rows = sqlx::query(sql).bind(request).fetch_all(pool).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
            Self::Postgres(pool) => {
                let rows = sqlx::query(sql).bind(request).fetch_all(pool).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
        }
    }
}
