//! A service that embeds the queue on its own SQLite file. An order is billed exactly once and each bill is delivered
//! at least once, even if the process is killed at any time.
//!
//! `cargo run -p tenantry-worker --example embed`

#![allow(clippy::print_stdout, reason = "an example prints its results")]

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tenantry_jobs::{Done, Handler, JobAttempt, JobFailure, JobQueue, Kind, NewJob, RetryPolicy, WakeUp};
use tenantry_kernel::{Clock, Context, Entropy, StoreError, Timestamp};
use tenantry_store::{Database, Scope, Store, StoreConfig, Synchronous, SystemReason, Unit};
use tenantry_worker::{Handlers, JobStore, QueueConfig, Worker, WorkerConfig};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn Error>;

const SYSTEM: Scope = Scope::System(SystemReason::Worker);
const RETRY: RetryPolicy =
    RetryPolicy { max_attempts: 10, first: Duration::from_secs(1), longest: Duration::from_secs(600) };

/// An order to bill. A later release reads what this one writes: hence the version.
#[derive(Serialize, Deserialize)]
struct Order {
    number: u32,
}

impl Kind for Order {
    const NAME: &'static str = "order";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "orders";
    const RETRY: RetryPolicy = RETRY;
}

/// A bill to deliver.
#[derive(Serialize, Deserialize)]
struct Bill {
    order: u32,
}

impl Kind for Bill {
    const NAME: &'static str = "bill";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "bills";
    const RETRY: RetryPolicy = RETRY;
    const TIME_LIMIT: Duration = Duration::from_secs(5);
}

/// The service: a store, a clock with a random source, and a wake-up for its worker.
#[derive(Clone)]
struct Service {
    store: Store,
    context: Context,
    bell: Arc<Bell>,
}

impl JobStore for Service {
    type Unit = Unit;

    async fn read(&self) -> Result<Unit, StoreError> {
        self.store.read(SYSTEM).await
    }

    async fn begin(&self) -> Result<Unit, StoreError> {
        self.store.begin(SYSTEM).await
    }

    async fn commit(&self, unit: Unit) -> Result<(), StoreError> {
        if unit.commit().await?.has_enqueued {
            self.bell.call();
        }
        Ok(())
    }
}

/// Creates bills from orders. The bill is a job in the unit that completes the order's job, so each order has exactly
/// one.
struct Billing(Service);

#[async_trait]
impl Handler<Order> for Billing {
    async fn run(&self, order: Order, of: &JobAttempt) -> Result<Done, JobFailure> {
        let Self(service) = self;
        let mut unit = service.begin().await?;
        let bill = NewJob::of(&service.context, of.job.tenant, &Bill { order: order.number })?;
        unit.enqueue_job(&bill).await?;
        let done = of.complete_in(&mut unit).await?;
        service.commit(unit).await?;
        Ok(done)
    }
}

/// Delivers bills to an outside system, which may receive one twice.
struct Delivery(mpsc::UnboundedSender<u32>);

#[async_trait]
impl Handler<Bill> for Delivery {
    async fn run(&self, bill: Bill, of: &JobAttempt) -> Result<Done, JobFailure> {
        if of.job.attempt == 1 && bill.order == 3 {
            return Err(JobFailure::retry("the mailbox was full"));
        }
        self.0.send(bill.order).map_err(JobFailure::retry)?;
        Ok(Done::Outside)
    }
}

/// Wakes a worker of the same process.
#[derive(Default)]
struct Bell(Notify);

#[async_trait]
impl WakeUp for Bell {
    fn call(&self) {
        self.0.notify_one();
    }

    async fn called(&self) {
        self.0.notified().await;
    }
}

struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where this service reads the time")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).ok().and_then(Timestamp::from_unix_millis).expect("a date can hold it")
    }
}

struct RandomSource;

impl Entropy for RandomSource {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has random bytes");
    }
}

/// Ends within a few seconds.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let config = StoreConfig {
        database: Database::Sqlite(folder.path().join("shop.db")),
        pool_size: 4,
        deadline: Duration::from_secs(5),
        synchronous: Synchronous::Full,
    };
    let store = Store::connect(config, Arc::default()).await?;
    store.migrate().await?;
    let service = Service { store, context: Context::new(WallClock, RandomSource), bell: Arc::default() };

    let (deliver, mut delivered) = mpsc::unbounded_channel();
    let handlers = Handlers::new().with::<Order>(Billing(service.clone())).with::<Bill>(Delivery(deliver));
    let queue = |name: &str, concurrency| QueueConfig { name: name.to_owned(), concurrency };
    let config = WorkerConfig::new(vec![queue(Order::QUEUE, 4), queue(Bill::QUEUE, 2)], Some(10));
    let worker =
        Worker::new(service.clone(), service.context.clone(), service.bell.clone(), handlers, Vec::new(), config);
    let (stop, hand_back) = (CancellationToken::new(), CancellationToken::new());
    let working = tokio::spawn(worker.run(stop.clone(), hand_back.clone()));

    // In a real service: in the unit of the change that accepts the order.
    let mut unit = service.begin().await?;
    for number in 1..=5 {
        unit.enqueue_job(&NewJob::of(&service.context, None, &Order { number })?).await?;
    }
    service.commit(unit).await?;
    println!("five orders are taken");

    let mut orders = Vec::new();
    while orders.len() < 5 {
        orders.push(delivered.recv().await.ok_or("the worker has ended")?);
    }
    println!("their bills were delivered, that of the third after another try: {orders:?}");
    orders.sort_unstable();
    assert_eq!(orders, [1, 2, 3, 4, 5]);

    // The worker takes no more jobs and waits for running ones. Cancelling `hand_back` would return unfinished jobs to
    // the queue.
    stop.cancel();
    working.await?;
    println!("the worker has stopped");
    Ok(())
}
