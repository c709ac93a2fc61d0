//! One transaction of the database, opened together with its scope in one round trip.
//!
//! sea-orm opens a transaction and sets the scope in two round trips, so this type takes the place of its transaction.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
    sea_query::Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::{
    AssertSqlSafe, IntoArguments, Postgres, SqlSafeStr, SqlStr, Sqlite, pool::PoolConnection, query::Query, query_with,
};
use sqlx_core::transaction::TransactionManager;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Mutex;

use crate::{Scope, postgres::REFUSE_STANDBY};

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Only read. On SQLite it takes no lock.
    Read,
    /// Read and write. On SQLite it takes the lock of the one writer when it begins.
    Write,
}

/// How PostgreSQL plans the statements of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plans {
    /// Once on each connection, without looking at the values. Only for statements that need the same plan for all
    /// values: a plan for unknown values made a search for a prefix 40 times slower among 100,000 members.
    Once,
    /// As PostgreSQL decides. It plans a page of a small tenant anew at every execution, because it expects more rows
    /// of an unknown tenant; planning takes longer than reading the page.
    ByValues,
}

/// An open transaction. Dropping it rolls back: the statement is queued, and sent when the connection returns to its
/// pool, so no request waits for it.
pub(crate) struct Transaction {
    connection: Mutex<Connection>,
    backend: DbBackend,
    stage: Stage,
    round_trips: Arc<AtomicU64>,
}

enum Connection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Open,
    Ended,
}

type Manager<DB> = <DB as sqlx::Database>::TransactionManager;

impl Transaction {
    /// Takes a connection from the pool, and opens a transaction with this scope.
    pub(crate) async fn begin(
        pool: &DatabaseConnection,
        scope: Scope,
        access: Access,
        plans: Plans,
        round_trips: Arc<AtomicU64>,
    ) -> Result<Self, sqlx::Error> {
        let backend = pool.get_database_backend();
        let connection = match backend {
            DbBackend::Postgres => Connection::Postgres(pool.get_postgres_connection_pool().acquire().await?),
            _ => Connection::Sqlite(pool.get_sqlite_connection_pool().acquire().await?),
        };
        let mut transaction = Self { connection: Mutex::new(connection), backend, stage: Stage::Opening, round_trips };
        transaction.count();
        match transaction.connection.get_mut() {
            Connection::Postgres(connection) => {
                Manager::<Postgres>::begin(connection, Some(opening_on_postgres(scope, access, plans))).await?;
            }
            Connection::Sqlite(connection) => {
                let opening = match access {
                    Access::Read => "BEGIN DEFERRED",
                    Access::Write => "BEGIN IMMEDIATE",
                };
                Manager::<Sqlite>::begin(connection, Some(opening.into_sql_str())).await?;
            }
        }
        transaction.stage = Stage::Open;
        Ok(transaction)
    }

    /// Commits the transaction.
    pub(crate) async fn commit(mut self) -> Result<(), DbErr> {
        self.count();
        let committed = match self.connection.get_mut() {
            Connection::Postgres(connection) => Manager::<Postgres>::commit(connection).await,
            Connection::Sqlite(connection) => Manager::<Sqlite>::commit(connection).await,
        };
        self.end(committed)
    }

    /// Rolls the transaction back, and waits until it has released its locks.
    pub(crate) async fn roll_back(mut self) -> Result<(), DbErr> {
        self.count();
        let rolled_back = match self.connection.get_mut() {
            Connection::Postgres(connection) => Manager::<Postgres>::rollback(connection).await,
            Connection::Sqlite(connection) => Manager::<Sqlite>::rollback(connection).await,
        };
        self.end(rolled_back)
    }

    fn end(&mut self, outcome: Result<(), sqlx::Error>) -> Result<(), DbErr> {
        outcome.map_err(query_error)?;
        self.stage = Stage::Ended;
        Ok(())
    }

    fn count(&self) {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        match (self.connection.get_mut(), self.stage) {
            (_, Stage::Ended) => {}
            // sqlx does not know whether the server has begun the transaction, so nothing would end it.
            (Connection::Postgres(connection), Stage::Opening) => connection.close_on_drop(),
            (Connection::Postgres(connection), Stage::Open) => Manager::<Postgres>::start_rollback(connection),
            (Connection::Sqlite(connection), Stage::Opening | Stage::Open) => {
                Manager::<Sqlite>::start_rollback(connection);
            }
        }
    }
}

/// Returns the statements that open a transaction on PostgreSQL, pass the scope to its policies, and fail on a standby.
/// The settings end with the transaction. All values are constants, or ids that this program prints itself, since
/// several statements in one message cannot have parameters.
fn opening_on_postgres(scope: Scope, access: Access, plans: Plans) -> SqlStr {
    let begin = match access {
        Access::Read => "BEGIN READ ONLY",
        Access::Write => "BEGIN",
    };
    let text = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let tenant = text(scope.tenant().map(|tenant| tenant.uuid()));
    let person = text(scope.person().map(|person| person.uuid()));
    let system = if scope.is_system() { "on" } else { "" };
    let plans = match plans {
        Plans::Once => ", set_config('plan_cache_mode', 'force_generic_plan', true)",
        Plans::ByValues => "",
    };
    AssertSqlSafe(format!(
        "{begin}; SELECT set_config('app.tenant', '{tenant}', true), set_config('app.person', '{person}', true), \
         set_config('app.system', '{system}', true){plans}, {REFUSE_STANDBY}"
    ))
    .into_sql_str()
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.count();
        let executed = match &mut *self.connection.lock().await {
            Connection::Postgres(connection) => {
                query::<Postgres>(statement).execute(&mut **connection).await.map(ExecResult::from)
            }
            Connection::Sqlite(connection) => {
                query::<Sqlite>(statement).execute(&mut **connection).await.map(ExecResult::from)
            }
        };
        executed.map_err(execution_error)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.count();
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let executed = match &mut *self.connection.lock().await {
            Connection::Postgres(connection) => sql.execute(&mut **connection).await.map(ExecResult::from),
            Connection::Sqlite(connection) => sql.execute(&mut **connection).await.map(ExecResult::from),
        };
        executed.map_err(execution_error)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.count();
        let row = match &mut *self.connection.lock().await {
            Connection::Postgres(connection) => query::<Postgres>(statement)
                .fetch_optional(&mut **connection)
                .await
                .map(|row| row.map(QueryResult::from)),
            Connection::Sqlite(connection) => {
                query::<Sqlite>(statement).fetch_optional(&mut **connection).await.map(|row| row.map(QueryResult::from))
            }
        };
        row.map_err(query_error)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.count();
        let rows = match &mut *self.connection.lock().await {
            Connection::Postgres(connection) => query::<Postgres>(statement)
                .fetch_all(&mut **connection)
                .await
                .map(|rows| rows.into_iter().map(QueryResult::from).collect()),
            Connection::Sqlite(connection) => query::<Sqlite>(statement)
                .fetch_all(&mut **connection)
                .await
                .map(|rows| rows.into_iter().map(QueryResult::from).collect()),
        };
        rows.map_err(query_error)
    }
}

fn query<DB: sqlx::Database>(statement: Statement) -> Query<'static, DB, SqlxValues>
where
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.unwrap_or(Values(Vec::new()));
    query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

pub(crate) fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

fn execution_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}
