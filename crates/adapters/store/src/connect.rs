//! Opens the database: pools, time limits, and the tests of returned connections.

use metrics::counter;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, SqlxPostgresConnector, SqlxSqliteConnector, Statement,
};
use secrecy::SecretString;
use semver::Version;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    postgres::PgPoolOptions,
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
use tokio::time::{Instant, timeout_at};

use crate::{
    Scope, Unit,
    failure::{DeadlinePassed, ends_connection},
    postgres::{self, only_reads},
    transaction::{Access, Plans, Transaction, query_error},
};

/// The database to use.
#[derive(Debug, Clone)]
pub enum Database {
    /// A SQLite file. One process serves from it.
    Sqlite(PathBuf),
    /// A `postgres://` URL.
    Postgres(SecretString),
}

impl Database {
    /// Returns the PostgreSQL database that a URL names; fails unless the URL is a `postgres://` one with at most one
    /// host.
    pub fn postgres(url: SecretString) -> Result<Self, ConnectError> {
        postgres::parse_url(&url)?;
        Ok(Self::Postgres(url))
    }

    /// Returns the host and the port of PostgreSQL; `None` for a file or a socket in the file system.
    pub fn host_and_port(&self) -> Option<(String, u16)> {
        let Self::Postgres(url) = self else { return None };
        let options = postgres::parse_url(url).ok()?;
        let is_socket = options.get_socket().is_some() || options.get_host().starts_with('/');
        (!is_socket).then(|| (options.get_host().to_owned(), options.get_port()))
    }
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
    /// The database does not respond in time.
    #[error("the database does not answer in time")]
    Late,
    /// The database takes no changes.
    #[error("the database only reads: it is a standby, or default_transaction_read_only is on")]
    OnlyReads,
    /// The database address names more than one host.
    #[error("the database address names several hosts: only one host is possible")]
    SeveralHosts,
    /// The database does not store UTF-8.
    #[error("the database stores text as {0}: create a database with the encoding UTF8")]
    Encoding(String),
    /// A pooler refuses a start-up parameter.
    #[error(
        "the pooler refuses a start-up parameter: add the line `ignore_startup_parameters = {0}` to its configuration"
    )]
    StartupParameter(String),
    /// A pooler lends sessions of PostgreSQL to connections for one transaction at a time.
    #[error(
        "a pooler in transaction mode loses time limits and prepared statements: set `pool_mode = session` for this \
         database (there is no setting DATABASE_POOLER for such poolers yet)"
    )]
    LentSessions,
    /// The migration of the schema failed.
    #[error("the database could not be migrated: {0}")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The schema is newer than this program, and only newer programs may run on it.
    #[error("This database needs tenantry {needed} or newer (this is {this}).")]
    ProgramTooOld {
        /// The oldest version that may run on the schema.
        needed: Version,
        /// The version of this program.
        this: Version,
    },
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

/// The time since which connections are tested, because the database exceeded a deadline, lost a connection or only
/// reads.
///
/// A later response in time does not end the tests: the abandoned connection is returned after it.
#[derive(Clone)]
struct Distrust {
    epoch: Instant,
    /// Milliseconds since the epoch; 0 before the first failure.
    since_ms: Arc<AtomicU64>,
}

impl Distrust {
    /// Time for which each connection is tested that is returned or used.
    const LASTS: Duration = Duration::from_secs(30);

    fn new() -> Self {
        Self { epoch: Instant::now(), since_ms: Arc::default() }
    }

    fn begin(&self) {
        // Rounded up, so that a connection returned in the same millisecond counts as returned before.
        let now = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        self.since_ms.store(now, Ordering::Relaxed);
    }

    /// Returns whether to test a connection that has been idle for this time. A connection that has been idle since
    /// before the failure is tested however late it is used: a demoted primary may keep it open.
    fn concerns(&self, idle_for: Duration) -> bool {
        let since = self.since_ms.load(Ordering::Relaxed);
        let age = self.epoch.elapsed().saturating_sub(Duration::from_millis(since));
        since > 0 && (age < Self::LASTS || idle_for >= age)
    }
}

impl Store {
    /// Maximum wait for a connection.
    const ACQUIRE: Duration = Duration::from_secs(1);

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
                let deadline = config.deadline;
                // sqlx pings without a time limit, and would hang on a connection whose statement was abandoned.
                let (idle, returned) = (distrust.clone(), distrust.clone());
                let pool = PgPoolOptions::new()
                    .max_connections(config.pool_size)
                    .acquire_timeout(Self::ACQUIRE)
                    .test_before_acquire(false)
                    .after_connect(move |connection, _| Box::pin(postgres::set_up(connection, deadline)))
                    .before_acquire(move |connection, about| {
                        let trusted = !idle.concerns(about.idle_for);
                        Box::pin(async move { Ok(trusted || postgres::takes_changes(connection).await) })
                    })
                    .after_release(move |connection, _| {
                        let trusted = !returned.concerns(Duration::ZERO);
                        Box::pin(async move { Ok(trusted || postgres::takes_changes(connection).await) })
                    })
                    .connect_lazy_with(postgres::options(url)?);
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

    /// Opens a unit for reading, which may not write. On SQLite it never waits for a writer.
    pub async fn read(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.open(&self.reader, scope, Access::Read, Plans::ByValues).await
    }

    /// Opens a unit for reading whose statements PostgreSQL plans once on each connection, whatever their values: for
    /// rows that are found by a key, and for pages without filters.
    pub async fn read_with_one_plan(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.open(&self.reader, scope, Access::Read, Plans::Once).await
    }

    /// Opens a unit for writing. Dropping it rolls back.
    pub async fn begin(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.open(&self.writer, scope, Access::Write, Plans::ByValues).await
    }

    async fn open(
        &self,
        pool: &DatabaseConnection,
        scope: Scope,
        access: Access,
        plans: Plans,
    ) -> Result<Unit, StoreError> {
        let deadline = Instant::now() + self.config.deadline;
        let opening = Transaction::begin(pool, scope, access, plans, self.statements.clone());
        let begun = timeout_at(deadline, opening).await;
        // Any failure to open a transaction means that the database is unavailable.
        let transaction = self.watch(begun)?.map_err(|error| {
            if matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) {
                counter!("tenantry_db_acquire_failures_total").increment(1);
                return StoreError::Unavailable(Box::new(error));
            }
            StoreError::Unavailable(Box::new(self.note_failure(query_error(error))))
        })?;
        Ok(Unit::new(transaction, scope, deadline, self.clone()))
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

    /// Returns the number of round trips to the database since the store was opened: one to open a unit, one for each
    /// statement, and one to commit.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Records that the database exceeded a deadline, so that connections are tested.
    pub(crate) fn watch<T>(&self, outcome: Result<T, tokio::time::error::Elapsed>) -> Result<T, StoreError> {
        outcome.map_err(|_| {
            self.distrust.begin();
            counter!("tenantry_db_deadlines_passed_total").increment(1);
            DeadlinePassed.into()
        })
    }

    /// Distrusts the connections after an error that may concern all of them. The failed one is tested when it is
    /// returned, and closed. Returns the error.
    pub(crate) fn note_failure(&self, error: DbErr) -> DbErr {
        if ends_connection(&error) {
            self.distrust.begin();
        }
        error
    }

    /// Returns whether the database takes changes, without a write: a PostgreSQL may be a standby, or read-only by its
    /// settings.
    pub async fn takes_changes(&self) -> Result<bool, StoreError> {
        if let Database::Sqlite(_) = self.config.database {
            return self.ping().await.map(|()| true);
        }
        const ASK: &str = concat!("SELECT ", only_reads!(), " AS only_reads");
        let asked = self.writer.query_one_raw(Statement::from_string(DbBackend::Postgres, ASK));
        let answer = self.watch(timeout_at(Instant::now() + self.config.deadline, asked).await)?;
        let only_reads = answer.and_then(|row| row.map_or(Ok(true), |row| row.try_get("", "only_reads")));
        let only_reads = only_reads.map_err(|error| StoreError::Unavailable(Box::new(self.note_failure(error))))?;
        // A session keeps the settings with which it began: idle ones stay read-only when the database no longer is.
        if only_reads {
            self.distrust.begin();
        }
        Ok(!only_reads)
    }

    /// Checks the encoding of the database, and that connections to PostgreSQL keep their sessions.
    pub async fn check_database(&self) -> Result<(), ConnectError> {
        match self.config.database {
            Database::Sqlite(_) => match self.sqlite_encoding().await? {
                encoding if encoding == "UTF-8" => Ok(()),
                encoding => Err(ConnectError::Encoding(encoding)),
            },
            Database::Postgres(_) => {
                postgres::check_sessions(self.writer.get_postgres_connection_pool(), self.config.deadline).await
            }
        }
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
