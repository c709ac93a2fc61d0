//! A queue with workers, for the tests.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use tenantry_jobs::{JobQueue, Kind, NewJob, Schedule, WakeUp};
use tenantry_kernel::{Clock, Context, StoreError, Timestamp};
use tenantry_store::{ConnectError, Database, Scope, Store, StoreConfig, Synchronous, SystemReason, Unit};
use tenantry_testkit::{
    context::{TestEntropy, moment},
    databases::{self, TestDatabase},
};
use tenantry_worker::{Handlers, JobStore, QueueConfig, Worker, WorkerConfig};
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const SCOPE: Scope = Scope::System(SystemReason::Worker);
const PATIENCE: Duration = Duration::from_secs(20);

struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the leases and the sleeps of a worker use the same clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        moment(i64::try_from(since.as_millis()).unwrap())
    }
}

/// The connection of one worker to the store, which a test may cut.
#[derive(Clone)]
pub(crate) struct SeverableStore {
    store: Store,
    is_cut: Arc<AtomicBool>,
}

impl SeverableStore {
    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }

    fn holds(&self) -> Result<(), StoreError> {
        if self.is_cut.load(Ordering::SeqCst) { Err(StoreError::Unavailable("it was cut".into())) } else { Ok(()) }
    }
}

impl JobStore for SeverableStore {
    type Unit = Unit;

    async fn read(&self) -> Result<Unit, StoreError> {
        self.holds()?;
        self.store.read(SCOPE).await
    }

    async fn begin(&self) -> Result<Unit, StoreError> {
        self.holds()?;
        self.store.begin(SCOPE).await
    }

    async fn commit(&self, unit: Unit) -> Result<(), StoreError> {
        unit.commit().await.map(|_| ())
    }
}

#[derive(Default)]
pub(crate) struct Bell(Notify);

#[async_trait]
impl WakeUp for Bell {
    fn call(&self) {
        self.0.notify_one();
    }

    async fn called(&self) {
        self.0.notified().await;
    }
}

pub(crate) struct Shop {
    pub(crate) store: Store,
    pub(crate) context: Context,
    pub(crate) bell: Arc<Bell>,
    database: TestDatabase,
}

/// A running worker.
pub(crate) struct Working {
    pub(crate) stop: CancellationToken,
    pub(crate) hand_back: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Working {
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.hand_back.cancel();
        self.task.await.unwrap();
    }
}

/// Three slots for errands and one for parcels, with short leases and poll intervals.
pub(crate) fn config() -> WorkerConfig {
    let queue = |name: &str, concurrency| QueueConfig { name: name.to_owned(), concurrency };
    WorkerConfig {
        lease: Duration::from_secs(1),
        heartbeat: Duration::from_millis(250),
        shortest_poll: Duration::from_millis(10),
        longest_poll: Duration::from_millis(50),
        ..WorkerConfig::new(vec![queue("errands", 3), queue("parcels", 1)], Some(100))
    }
}

async fn connect(url: &str) -> Result<Store, ConnectError> {
    let file = url.strip_prefix("sqlite://").unwrap().split('?').next().unwrap();
    let database = Database::Sqlite(PathBuf::from(file));
    let config = StoreConfig { database, pool_size: 4, deadline: PATIENCE, synchronous: Synchronous::Normal };
    Store::connect(config, Arc::default()).await
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_by(Context::new(WallClock, TestEntropy)).await
    }

    pub(crate) async fn open_by(context: Context) -> Self {
        let migrate = async |url: &str| -> Result<(), ConnectError> {
            let store = connect(url).await?;
            store.migrate().await?;
            store.close().await;
            Ok(())
        };
        let database = databases::sqlite_from_template("shop", migrate).await;
        let store = connect(database.url()).await.unwrap();
        Self { store, context, bell: Arc::default(), database }
    }

    pub(crate) fn line(&self) -> SeverableStore {
        SeverableStore { store: self.store.clone(), is_cut: Arc::default() }
    }

    pub(crate) fn job<K: Kind>(&self, payload: &K) -> NewJob {
        NewJob::of(&self.context, None, payload).unwrap()
    }

    pub(crate) async fn enqueue(&self, jobs: &[NewJob]) {
        let mut unit = self.store.begin(SCOPE).await.unwrap();
        unit.enqueue_jobs(jobs).await.unwrap();
        unit.commit().await.unwrap();
    }

    pub(crate) fn work(&self, handlers: Handlers) -> Working {
        self.work_by(self.line(), handlers, Vec::new(), config())
    }

    pub(crate) fn work_by(
        &self,
        line: SeverableStore,
        handlers: Handlers,
        schedules: Vec<Schedule>,
        config: WorkerConfig,
    ) -> Working {
        self.start(Worker::new(line, self.context.clone(), self.bell.clone(), handlers, schedules, config))
    }

    pub(crate) fn start(&self, worker: Worker<SeverableStore>) -> Working {
        let (stop, hand_back) = (CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(worker.run(stop.clone(), hand_back.clone()));
        Working { stop, hand_back, task }
    }

    async fn connect(&self) -> SqliteConnection {
        SqliteConnection::connect(self.database.url()).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connect().await).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql}");
    }

    /// Counts rows.
    pub(crate) async fn count(&self, from: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {from}"));
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.unwrap()
    }

    /// Waits until there are `count` rows and returns how long that took.
    pub(crate) async fn comes_to(&self, count: i64, from: &str) -> Duration {
        let began = Instant::now();
        loop {
            let found = self.count(from).await;
            if found == count {
                return began.elapsed();
            }
            assert!(began.elapsed() < PATIENCE, "{found} instead of {count} rows of {from}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Counts events of dead letters of this kind.
    pub(crate) async fn deaths(&self, kind: &str) -> i64 {
        self.count(&format!("journal WHERE action = 'job.died' AND changes LIKE '%\"{kind}\"%'")).await
    }
}
