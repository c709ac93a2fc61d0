//! Bringing the schema up to date, once, however many servers start at the same moment.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use std::{fs::OpenOptions, path::PathBuf};
use tenantry_kernel::StoreError;
use tenantry_migration::Migrator;

use crate::{ConnectError, Database, Scope, Store, SystemReason, failure::Failure};

/// The key of PostgreSQL's advisory lock under which migrations run: "tenantry" in ASCII.
const LOCK_KEY: i64 = 0x7465_6e61_6e74_7279;

fn migration(error: impl std::error::Error + Send + Sync + 'static) -> ConnectError {
    ConnectError::Migration(Box::new(error))
}

impl Store {
    /// Applies every change that the database does not have yet, all or none. Others that try at the same time wait.
    pub async fn migrate(&self) -> Result<(), ConnectError> {
        match &self.config.database {
            Database::Sqlite(file) => {
                let lock = PathBuf::from(format!("{}.migrate.lock", file.display()));
                let held = tokio::task::spawn_blocking(move || {
                    let file = OpenOptions::new().create(true).truncate(false).write(true).open(lock)?;
                    file.lock().map(|()| file)
                });
                let _held = held.await.map_err(migration)?.map_err(migration)?;
                let mode = Some(SqliteTransactionMode::Immediate);
                let options = TransactionOptions { sqlite_transaction_mode: mode, ..TransactionOptions::default() };
                apply(self.writer.begin_with_options(options).await.map_err(migration)?).await
            }
            Database::Postgres(_) => {
                let transaction = self.writer.begin().await.map_err(migration)?;
                // A change of the schema may take longer than a request, and whoever comes second waits for the first.
                let patience = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '60s'; \
                                SET LOCAL idle_in_transaction_session_timeout = 0";
                transaction.execute_unprepared(patience).await.map_err(migration)?;
                let lock = format!("SELECT pg_advisory_xact_lock({LOCK_KEY})");
                transaction.execute_unprepared(&lock).await.map_err(migration)?;
                apply(transaction).await
            }
        }
    }

    /// Whether every change has been applied.
    pub async fn is_migrated(&self) -> Result<bool, ConnectError> {
        Ok(Migrator::get_pending_migrations_read_only(&self.reader).await.map_err(migration)?.is_empty())
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let unit = self.read(Scope::System(SystemReason::Maintenance)).await?;
        unit.run(unit.transaction.query_one_raw(unit.sql("SELECT 1", []))).await?;
        Ok(())
    }

    /// Whether the role that we use on PostgreSQL would not be held by row-level security.
    pub async fn bypasses_row_level_security(&self) -> Result<bool, StoreError> {
        if self.writer.get_database_backend() != DbBackend::Postgres {
            return Ok(false);
        }
        let sql = "SELECT rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = current_user";
        let row = query_one(&self.writer, sql).await?;
        row.map_or(Ok(false), |row| row.try_get("", "bypasses")).map_err(|e| Failure::from(e).into())
    }

    /// What the database calls itself, for people who look after it.
    pub async fn version(&self) -> Result<String, StoreError> {
        let sql = match self.writer.get_database_backend() {
            DbBackend::Postgres => "SELECT split_part(version(), ' on ', 1) AS version",
            _ => "SELECT 'SQLite ' || sqlite_version() AS version",
        };
        let row = query_one(&self.reader, sql).await?;
        row.map_or(Ok(String::new()), |row| row.try_get("", "version")).map_err(|e| Failure::from(e).into())
    }
}

/// In one transaction, so that a server killed in the middle leaves nothing half done for the next.
async fn apply(transaction: DatabaseTransaction) -> Result<(), ConnectError> {
    Migrator::up(&transaction, None).await.map_err(migration)?;
    transaction.commit().await.map_err(migration)
}

async fn query_one(pool: &DatabaseConnection, sql: &str) -> Result<Option<sea_orm::QueryResult>, StoreError> {
    let statement = Statement::from_string(pool.get_database_backend(), sql);
    Ok(pool.query_one_raw(statement).await.map_err(Failure::from)?)
}
