//! Migrates the schema once, even when many servers start at the same time.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use std::{fs::OpenOptions, path::PathBuf};
use tenantry_kernel::StoreError;
use tenantry_migration::Migrator;

use crate::{ConnectError, Database, Scope, Store, SystemReason, failure::StatementError};

/// The key of PostgreSQL's advisory lock under which migrations run: "tenantry" in ASCII.
const LOCK_KEY: i64 = 0x7465_6e61_6e74_7279;

fn migration(error: impl std::error::Error + Send + Sync + 'static) -> ConnectError {
    ConnectError::Migration(Box::new(error))
}

impl Store {
    /// Applies all pending migrations, or none of them. Concurrent callers wait.
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
                // A migration may take longer than a request, and a second server waits for the first.
                let patience = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '60s'; \
                                SET LOCAL idle_in_transaction_session_timeout = 0";
                transaction.execute_unprepared(patience).await.map_err(migration)?;
                let lock = format!("SELECT pg_advisory_xact_lock({LOCK_KEY})");
                transaction.execute_unprepared(&lock).await.map_err(migration)?;
                apply(transaction).await
            }
        }
    }

    /// Returns whether every migration has been applied.
    pub async fn is_migrated(&self) -> Result<bool, ConnectError> {
        Ok(Migrator::get_pending_migrations_read_only(&self.reader).await.map_err(migration)?.is_empty())
    }

    /// Fails when the database does not respond.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let unit = self.read(Scope::System(SystemReason::Maintenance)).await?;
        unit.run(unit.transaction.query_one_raw(unit.sql("SELECT 1", []))).await?;
        Ok(())
    }

    /// Returns whether the store's role on PostgreSQL bypasses row-level security. Always `false` on SQLite.
    pub async fn bypasses_row_level_security(&self) -> Result<bool, StoreError> {
        if self.writer.get_database_backend() != DbBackend::Postgres {
            return Ok(false);
        }
        let sql = "SELECT rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = current_user";
        let row = query_one(&self.writer, sql).await?;
        row.map_or(Ok(false), |row| row.try_get("", "bypasses")).map_err(|e| StatementError::from(e).into())
    }

    pub(crate) async fn sqlite_encoding(&self) -> Result<String, StoreError> {
        let row = query_one(&self.reader, "PRAGMA encoding").await?;
        row.map_or(Ok(String::new()), |row| row.try_get("", "encoding")).map_err(|e| StatementError::from(e).into())
    }

    /// Returns the name and version of the database, for operators.
    pub async fn version(&self) -> Result<String, StoreError> {
        let sql = match self.writer.get_database_backend() {
            DbBackend::Postgres => "SELECT split_part(version(), ' on ', 1) AS version",
            _ => "SELECT 'SQLite ' || sqlite_version() AS version",
        };
        let row = query_one(&self.reader, sql).await?;
        row.map_or(Ok(String::new()), |row| row.try_get("", "version")).map_err(|e| StatementError::from(e).into())
    }
}

/// Applies the migrations in one transaction, so that a server killed halfway leaves no partial migration.
async fn apply(transaction: DatabaseTransaction) -> Result<(), ConnectError> {
    Migrator::up(&transaction, None).await.map_err(migration)?;
    transaction.commit().await.map_err(migration)
}

async fn query_one(pool: &DatabaseConnection, sql: &str) -> Result<Option<sea_orm::QueryResult>, StoreError> {
    let statement = Statement::from_string(pool.get_database_backend(), sql);
    Ok(pool.query_one_raw(statement).await.map_err(StatementError::from)?)
}
