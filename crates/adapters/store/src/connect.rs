//! Opens the database: pools, time limits, and the tests of returned connections.

use metrics::counter;
use sea_orm::{
    DatabaseConnection, DbErr, SqliteTransactionMode, SqlxPostgresConnector, SqlxSqliteConnector, TransactionOptions,
    TransactionTrait,
};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tenantry_kernel::{StoreError, Vocabulary};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{Scope, Unit, failure::DeadlinePassed};

/// The database to use.
#[derive(Debug, Clone)]
pub enum Database {
    /// A SQLite file. One process serves from it.
    Sqlite(PathBuf),
    /// A `postgres://` URL.
    Postgres(SecretString),
}

/// When SQLite waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// At every commit: acknowledged changes survive a power failure.
    #[default]
    Full,
    /// At checkpoints: a power failure may lose the last commits, but never the integrity of the file.
    Normal,
}

/// Configuration of the store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The database to use.
    pub database: Database,
    /// Maximum number of connections; on SQLite, maximum number of readers besides the one writer.
    pub pool_size: u32,
    /// Maximum duration of a unit, including the wait for a connection.
    pub deadline: Duration,
    /// When SQLite waits for the disk.
    pub synchronous: Synchronous,
}

/// Errors of opening the database.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The database address is invalid.
    #[error("the database address cannot be read: {0}")]
    Address(#[source] sqlx::Error),
    /// The database does not respond.
    #[error("the database does not answer: {0}")]
    Unreachable(#[source] sqlx::Error),
    /// The migration of the schema failed.
    #[error("the database could not be migrated: {0}")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A query at start-up failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The open database, from which units are opened. Cloning is cheap.
#[derive(Clone)]
pub struct Store {
    pub(crate) writer: DatabaseConnection,
    pub(crate) reader: DatabaseConnection,
    pub(crate) config: Arc<StoreConfig>,
    pub(crate) vocabulary: Arc<Vocabulary>,
    statements: Arc<AtomicU64>,
    distrust: Distrust,
}

/// Usage of a connection pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolFigures {
    /// `postgres`, or on SQLite `writer` and `reader`.
    pub pool: &'static str,
    /// Connections in use.
    pub used: usize,
    /// Idle connections.
    pub idle: usize,
}

impl PoolFigures {
    fn new(pool: &'static str, open: u32, idle: usize) -> Self {
        Self { pool, used: usize::try_from(open).unwrap_or(usize::MAX).saturating_sub(idle), idle }
    }
}

/// The time until which returned connections are tested, because the database recently exceeded a deadline.
///
/// A later response in time does not end the tests: the abandoned connection is returned after it.
#[derive(Clone)]
struct Distrust {
    epoch: Instant,
    until_ms: Arc<AtomicU64>,
}

impl Distrust {
    const LASTS: Duration = Duration::from_secs(30);

    fn new() -> Self {
        Self { epoch: Instant::now(), until_ms: Arc::default() }
    }

    fn begin(&self) {
        let until = self.epoch.elapsed() + Self::LASTS;
        self.until_ms.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn lasts(&self) -> bool {
        self.epoch.elapsed() < Duration::from_millis(self.until_ms.load(Ordering::Relaxed))
    }
}

impl Store {
    /// Maximum wait for a connection.
    const ACQUIRE: Duration = Duration::from_secs(1);
    /// Maximum duration of the test of a returned connection.
    const PROOF: Duration = Duration::from_millis(250);

    /// Opens the pools. On PostgreSQL no connection is opened yet. The vocabulary interprets stored names: a permission
    /// that it does not declare grants nothing.
    pub async fn connect(config: StoreConfig, vocabulary: Arc<Vocabulary>) -> Result<Self, ConnectError> {
        let statements = Arc::new(AtomicU64::new(0));
        let distrust = Distrust::new();
        let (mut writer, mut reader) = match &config.database {
            Database::Sqlite(file) => {
                let options = sqlite_options(file, &config);
                // A file cannot disconnect. A test before each use would cost a round trip to the connection's thread.
                let pool = SqlitePoolOptions::new().acquire_timeout(Self::ACQUIRE).test_before_acquire(false);
                let pool = pool.after_release(|connection, _| Box::pin(has_left_its_transaction(connection)));
                let writer = pool.clone().max_connections(1).idle_timeout(None).max_lifetime(None);
                let writer = open_sqlite(writer, options.clone(), config.deadline).await?;
                let reader = pool.max_connections(config.pool_size);
                let reader = open_sqlite(reader, options.read_only(true), config.deadline).await?;
                (SqlxSqliteConnector::from_sqlx_sqlite_pool(writer), SqlxSqliteConnector::from_sqlx_sqlite_pool(reader))
            }
            Database::Postgres(url) => {
                let distrust = distrust.clone();
                let pool = PgPoolOptions::new()
                    .max_connections(config.pool_size)
                    .acquire_timeout(Self::ACQUIRE)
                    .test_before_acquire(false)
                    .after_release(move |connection, _| {
                        let distrusted = distrust.lasts();
                        Box::pin(async move {
                            // sqlx pings without a time limit, and would hang on a connection whose statement was
                            // abandoned.
                            if !distrusted {
                                return Ok(true);
                            }
                            Ok(timeout(Self::PROOF, connection.ping()).await.is_ok_and(|pinged| pinged.is_ok()))
                        })
                    })
                    .connect_lazy_with(postgres_options(url, &config)?);
                let pool = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
                (pool.clone(), pool)
            }
        };
        for pool in [&mut writer, &mut reader] {
            let statements = statements.clone();
            pool.set_metric_callback(move |_| {
                statements.fetch_add(1, Ordering::Relaxed);
            });
        }
        Ok(Self { writer, reader, config: Arc::new(config), vocabulary, statements, distrust })
    }

    /// Opens a unit for reading. On SQLite it never waits for a writer.
    pub async fn read(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.open(&self.reader, scope, SqliteTransactionMode::Deferred).await
    }

    /// Opens a unit for writing. Dropping it rolls back.
    pub async fn begin(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.open(&self.writer, scope, SqliteTransactionMode::Immediate).await
    }

    async fn open(
        &self,
        pool: &DatabaseConnection,
        scope: Scope,
        sqlite_mode: SqliteTransactionMode,
    ) -> Result<Unit, StoreError> {
        let deadline = Instant::now() + self.config.deadline;
        let options =
            TransactionOptions { sqlite_transaction_mode: Some(sqlite_mode), ..TransactionOptions::default() };
        self.statements.fetch_add(1, Ordering::Relaxed);
        let begun = timeout_at(deadline, pool.begin_with_options(options)).await;
        // Any failure to open a transaction means that the database is unavailable.
        let transaction = self.watch(begun)?.map_err(|error| {
            if matches!(error, DbErr::ConnectionAcquire(_)) {
                counter!("tenantry_db_acquire_failures_total").increment(1);
            }
            StoreError::Unavailable(Box::new(error))
        })?;
        let unit = Unit::new(transaction, scope, deadline, self.clone());
        unit.apply_session_scope().await?;
        Ok(unit)
    }

    /// Returns the usage of each pool.
    pub fn pools(&self) -> Vec<PoolFigures> {
        let of_sqlite = |name, pool: &SqlitePool| PoolFigures::new(name, pool.size(), pool.num_idle());
        match &self.config.database {
            Database::Sqlite(_) => vec![
                of_sqlite("writer", self.writer.get_sqlite_connection_pool()),
                of_sqlite("reader", self.reader.get_sqlite_connection_pool()),
            ],
            Database::Postgres(_) => {
                let pool = self.writer.get_postgres_connection_pool();
                vec![PoolFigures::new("postgres", pool.size(), pool.num_idle())]
            }
        }
    }

    /// Returns the number of statements sent since the store was opened, including those that open and close units.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    pub(crate) fn count_statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that the database exceeded a deadline, so that returned connections are tested.
    pub(crate) fn watch<T>(&self, outcome: Result<T, tokio::time::error::Elapsed>) -> Result<T, StoreError> {
        outcome.map_err(|_| {
            self.distrust.begin();
            counter!("tenantry_db_deadlines_passed_total").increment(1);
            DeadlinePassed.into()
        })
    }

    /// Closes every connection; connections in use are closed when they are returned.
    pub async fn close(&self) {
        for pool in [&self.reader, &self.writer] {
            if let Err(error) = pool.close_by_ref().await {
                tracing::warn!(%error, "the database connection did not close cleanly");
            }
        }
    }
}

/// Returns whether a returned connection may be used again. On a full disk SQLite rolls back by itself. sqlx does not
/// notice, so later statements would be acknowledged but never committed.
async fn has_left_its_transaction(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Waits for the rollback of a dropped unit, which may still be queued.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Opens a pool of connections to a file, and retries while the file is locked. When two processes create a file at
/// once, SQLite reports a lock to one of them without waiting, while the other enables the write-ahead log.
async fn open_sqlite(
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
    patience: Duration,
) -> Result<SqlitePool, ConnectError> {
    const PAUSE: Duration = Duration::from_millis(10);
    const BUSY: &str = "5";
    let until = Instant::now() + patience;
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some(BUSY) && Instant::now() < until => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(ConnectError::Unreachable(error)),
        }
    }
}

pub(crate) fn sqlite_options(file: &std::path::Path, config: &StoreConfig) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match config.synchronous {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Normal => SqliteSynchronous::Normal,
        })
        .busy_timeout(config.deadline)
        .foreign_keys(true)
        .statement_cache_capacity(256)
        .disable_statement_logging()
}

pub(crate) fn postgres_options(url: &SecretString, config: &StoreConfig) -> Result<PgConnectOptions, ConnectError> {
    let options: PgConnectOptions = url.expose_secret().parse().map_err(ConnectError::Address)?;
    let deadline = config.deadline.as_millis().to_string();
    Ok(options
        .application_name("tenantry")
        .statement_cache_capacity(256)
        .options([
            ("statement_timeout", deadline.as_str()),
            ("lock_timeout", deadline.as_str()),
            ("idle_in_transaction_session_timeout", "10000"),
            // No statement here is long enough for compilation to pay: on a large table it took longer than all other
            // work.
            ("jit", "off"),
            // The default is the cost of rotating disks, which databases no longer use. With it, PostgreSQL searches a
            // page of one tenant's entries from the end of all tenants' entries. That is slow when the tenant has no
            // recent entries.
            ("random_page_cost", "1.1"),
        ])
        .disable_statement_logging())
}
