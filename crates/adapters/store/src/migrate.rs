//! Migrates the schema once, even when many servers start at the same time, and checks that this program may run on it.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use semver::Version;
use std::{collections::HashSet, fs::OpenOptions, path::PathBuf, time::Duration};
use tenantry_kernel::StoreError;
use tenantry_migration::Migrator;
use tokio::time::{Instant, sleep};

use crate::{
    ConnectError, Database, Scope, Store, SystemReason,
    failure::{StatementError, is_lock_timeout},
    table::Table,
};

/// The key of PostgreSQL's advisory lock under which migrations run: "tenantry" in ASCII.
const LOCK_KEY: i64 = 0x7465_6e61_6e74_7279;

/// Time for which a migration that does not get a lock is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two tries, in which requests that waited behind the migration are served.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) const TABLE: Table =
    Table { name: "schema_compatibility", of_tenant: None, of_person: None, expires: &[], personal: &[] };

fn migration(error: impl std::error::Error + Send + Sync + 'static) -> ConnectError {
    ConnectError::Migration(Box::new(error))
}

impl Store {
    /// Applies all pending migrations, or none of them. Concurrent callers wait. Changes nothing in a schema that has
    /// all migrations of this program and newer ones. Fails with [`ConnectError::ProgramTooOld`] when this program may
    /// not run on the schema.
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
                let until = Instant::now() + PATIENCE;
                loop {
                    match self.migrate_postgres().await {
                        Err(ConnectError::Migration(error))
                            if error.downcast_ref().is_some_and(is_lock_timeout) && Instant::now() < until =>
                        {
                            sleep(PAUSE).await;
                        }
                        outcome => return outcome,
                    }
                }
            }
        }
    }

    async fn migrate_postgres(&self) -> Result<(), ConnectError> {
        let transaction = self.writer.begin().await.map_err(migration)?;
        // A migration may take longer than a request, and a second server waits for the first.
        let patience = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '60s'; \
                        SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL app.system = 'on'";
        transaction.execute_unprepared(patience).await.map_err(migration)?;
        let lock = format!("SELECT pg_advisory_xact_lock({LOCK_KEY})");
        transaction.execute_unprepared(&lock).await.map_err(migration)?;
        // While a migration waits for a table behind a long statement, all later requests for the table wait too.
        transaction.execute_unprepared("SET LOCAL lock_timeout = '2s'").await.map_err(migration)?;
        apply(transaction).await
    }

    /// Returns whether every migration of this program has been applied. A newer program may have applied more. Fails
    /// with [`ConnectError::ProgramTooOld`] when this program may not run on the schema.
    pub async fn is_migrated(&self) -> Result<bool, ConnectError> {
        let unit = self.read(Scope::System(SystemReason::Maintenance)).await?;
        if !unit.run(is_applied(&unit.transaction)).await? {
            return Ok(false);
        }
        require_program(oldest_program(unit.run(stored_version(&unit.transaction)).await?)?)?;
        Ok(true)
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
    if !is_applied(&transaction).await.map_err(migration)? {
        Migrator::up(&transaction, None).await.map_err(migration)?;
        raise_oldest_program(&transaction).await?;
    }
    require_program(oldest_program(stored_version(&transaction).await.map_err(migration)?)?)?;
    transaction.commit().await.map_err(migration)
}

/// Returns whether every migration of this program has been applied. The functions of `Migrator` fail when a newer
/// program has applied others too.
async fn is_applied(database: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let backend = database.get_database_backend();
    let exists = match backend {
        DbBackend::Postgres => "SELECT 1 AS one WHERE to_regclass('seaql_migrations') IS NOT NULL",
        _ => "SELECT 1 AS one FROM sqlite_master WHERE name = 'seaql_migrations'",
    };
    if database.query_one_raw(Statement::from_string(backend, exists)).await?.is_none() {
        return Ok(false);
    }
    let applied = Statement::from_string(backend, "SELECT version FROM seaql_migrations");
    let rows = database.query_all_raw(applied).await?;
    let applied: HashSet<String> = rows.iter().map(|row| row.try_get("", "version")).collect::<Result<_, _>>()?;
    Ok(Migrator::migrations().iter().all(|migration| applied.contains(migration.name())))
}

/// Keeps the greatest of the versions that the migrations declare.
async fn raise_oldest_program(transaction: &DatabaseTransaction) -> Result<(), ConnectError> {
    // A migration may have ended the System scope of the transaction.
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared("SET LOCAL app.system = 'on'").await.map_err(migration)?;
    }
    let declared = Migrator::oldest_program();
    if oldest_program(stored_version(transaction).await.map_err(migration)?)? < declared {
        let raise = Statement::from_sql_and_values(
            transaction.get_database_backend(),
            "UPDATE schema_compatibility SET oldest_program = $1",
            [declared.to_string().into()],
        );
        transaction.execute_raw(raise).await.map_err(migration)?;
    }
    Ok(())
}

async fn stored_version(database: &impl ConnectionTrait) -> Result<Option<String>, DbErr> {
    let stored = "SELECT oldest_program FROM schema_compatibility";
    let row = database.query_one_raw(Statement::from_string(database.get_database_backend(), stored)).await?;
    row.map(|row| row.try_get("", "oldest_program")).transpose()
}

fn oldest_program(stored: Option<String>) -> Result<Version, ConnectError> {
    let version = stored.and_then(|text| Version::parse(&text).ok());
    let inconsistent = StoreError::Inconsistent { table: "schema_compatibility", column: "oldest_program" };
    version.ok_or(ConnectError::Store(inconsistent))
}

/// Fails unless this program is of this version or newer.
fn require_program(needed: Version) -> Result<(), ConnectError> {
    let this = Version::parse(env!("CARGO_PKG_VERSION")).map_err(migration)?;
    if this < needed { Err(ConnectError::ProgramTooOld { needed, this }) } else { Ok(()) }
}

async fn query_one(pool: &DatabaseConnection, sql: &str) -> Result<Option<sea_orm::QueryResult>, StoreError> {
    let statement = Statement::from_string(pool.get_database_backend(), sql);
    Ok(pool.query_one_raw(statement).await.map_err(StatementError::from)?)
}
