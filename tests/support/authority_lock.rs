//! The lock under which authority changes, held by a test to interleave other changes.

use sqlx::{AssertSqlSafe, PgConnection, Postgres, Sqlite, SqliteConnection, pool::PoolConnection};

use super::sql::Sql;

/// The lock of a tenant: changes of authority in the tenant wait until it is released.
pub(crate) enum Held {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Sql {
    /// Takes the lock, as a change of authority does.
    pub(crate) async fn hold_authority(&self, tenant: &str) -> Held {
        match self {
            Self::Sqlite(pool) => {
                let mut connection = pool.acquire().await.unwrap();
                run_sqlite(&mut connection, "BEGIN IMMEDIATE").await;
                Held::Sqlite(connection)
            }
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await.unwrap();
                let lock = format!("BEGIN; SELECT 1 FROM tenants WHERE id = '{tenant}' FOR NO KEY UPDATE");
                run_postgres(&mut connection, &lock).await;
                Held::Postgres(connection)
            }
        }
    }

    /// Waits until a request waits for a lock. SQLite does not show waiting requests; there the lock itself is enough,
    /// since the test took it before the request came.
    pub(crate) async fn until_somebody_waits(&self) {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        for _ in 0..400 {
            if matches!(self, Self::Sqlite(_)) || self.number(waiting).await > 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("no session waits for the lock");
    }
}

impl Held {
    /// Runs a statement under the lock.
    pub(crate) async fn execute(&mut self, sql: &str) {
        match self {
            Self::Sqlite(connection) => run_sqlite(connection, sql).await,
            Self::Postgres(connection) => run_postgres(connection, sql).await,
        }
    }

    /// Commits, which lets the waiting requests continue.
    pub(crate) async fn release(mut self) {
        self.execute("COMMIT").await;
    }
}

async fn run_sqlite(connection: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

async fn run_postgres(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}
