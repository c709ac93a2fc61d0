//! A database with a queue, and its workers.

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tenantry_crypto::{SystemClock, SystemEntropy};
use tenantry_jobs::{Done, Handler, JobAttempt, JobFailure, JobQueue, Kind, NewJob, RetryPolicy, WakeUp};
use tenantry_kernel::{Context, StoreError, Vocabulary};
use tenantry_local::LocalWakeUp;
use tenantry_store::{Database, Scope, Store, StoreConfig, Synchronous, SystemReason, Unit};
use tenantry_worker::{Handlers, JobStore, QueueConfig, Worker, WorkerConfig};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Number of jobs that run at once.
pub(super) const CONCURRENCY: u32 = 50;
pub(super) const QUEUE: &str = "bench";
pub(super) const SYSTEM: Scope = Scope::System(SystemReason::Worker);
const BATCH: usize = 500;

/// A job without any effect.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Nothing {
    number: usize,
}

impl Kind for Nothing {
    const NAME: &'static str = "nothing";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = QUEUE;
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 5, first: Duration::from_secs(1), longest: Duration::from_secs(60) };
}

/// A migrated database.
#[derive(Clone)]
pub(crate) struct JobDatabase {
    pub(crate) store: Store,
    pub(crate) context: Context,
    pub(super) wake_up: Arc<dyn WakeUp>,
    /// The URL, on PostgreSQL.
    pub(super) url: Option<String>,
    /// Counts the commits of workers.
    pub(super) commits: Arc<watch::Sender<usize>>,
    pub(super) _folder: Arc<TempDir>,
}

impl JobDatabase {
    pub(crate) async fn postgres(url: &str, name: &str) -> Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        for statement in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        let (server, _) = url.rsplit_once('/').context("an address without a database")?;
        let url = format!("{server}/{name}");
        Self::open(Database::Postgres(SecretString::from(url.as_str())), Some(url)).await
    }

    pub(super) async fn sqlite() -> Result<Self> {
        let folder = TempDir::new()?;
        let place = Self::open(Database::Sqlite(folder.path().join("bench.db")), None).await?;
        Ok(Self { _folder: Arc::new(folder), ..place })
    }

    async fn open(database: Database, url: Option<String>) -> Result<Self> {
        let deadline = Duration::from_secs(10);
        let config = StoreConfig { database, pool_size: 10, deadline, synchronous: Synchronous::Full };
        let vocabulary = Vocabulary::compose(&[&tenantry_tenancy::vocabulary::VOCABULARY])?;
        let store = Store::connect(config, Arc::new(vocabulary)).await?;
        store.migrate().await?;
        Ok(Self {
            store,
            context: Context::new(SystemClock, SystemEntropy),
            wake_up: Arc::new(LocalWakeUp::default()),
            url,
            commits: Arc::new(watch::Sender::new(0)),
            _folder: Arc::new(TempDir::new()?),
        })
    }

    /// Enqueues `count` jobs with one commit per batch.
    pub(super) async fn enqueue(&self, count: usize) -> Result<()> {
        let mut number = 0;
        while number < count {
            let batch = BATCH.min(count - number);
            let jobs: Result<Vec<NewJob>, _> =
                (0..batch).map(|place| NewJob::of(&self.context, None, &Nothing { number: number + place })).collect();
            let mut unit = self.store.begin(SYSTEM).await?;
            unit.enqueue_jobs(&jobs?).await?;
            unit.commit().await?;
            number += batch;
        }
        Ok(())
    }

    /// Starts a worker that reports when each job begins.
    pub(super) fn work(&self) -> Working {
        let begun = Arc::new(watch::Sender::new(Instant::now()));
        let count = Arc::new(AtomicUsize::new(0));
        let handler = DoesNothing { begun: begun.clone(), count: count.clone() };
        let queues = vec![QueueConfig { name: QUEUE.to_owned(), concurrency: CONCURRENCY }];
        let worker = Worker::new(
            self.clone(),
            self.context.clone(),
            self.wake_up.clone(),
            Handlers::new().with::<Nothing>(handler),
            Vec::new(),
            WorkerConfig::new(queues, None),
        );
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
        Working { begun: begun.subscribe(), count, stop, task }
    }
}

struct DoesNothing {
    begun: Arc<watch::Sender<Instant>>,
    count: Arc<AtomicUsize>,
}

#[async_trait]
impl Handler<Nothing> for DoesNothing {
    async fn run(&self, _: Nothing, _: &JobAttempt) -> Result<Done, JobFailure> {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.begun.send_replace(Instant::now());
        Ok(Done::Outside)
    }
}

/// A running worker.
pub(super) struct Working {
    /// Time at which the last job began.
    pub(super) begun: watch::Receiver<Instant>,
    count: Arc<AtomicUsize>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Working {
    /// Waits until `count` jobs are recorded as completed, and stops the worker.
    pub(super) async fn finish(self, count: usize) -> Result<()> {
        while self.count.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.stop.cancel();
        self.task.await.context("the worker panicked")
    }
}

impl JobStore for JobDatabase {
    type Unit = Unit;

    async fn read(&self) -> Result<Unit, StoreError> {
        self.store.read(SYSTEM).await
    }

    async fn begin(&self) -> Result<Unit, StoreError> {
        self.store.begin(SYSTEM).await
    }

    async fn commit(&self, unit: Unit) -> Result<(), StoreError> {
        unit.commit().await?;
        self.commits.send_modify(|commits| *commits += 1);
        Ok(())
    }
}
