//! A worker for the fault tests: a process that tests can kill and freeze, over the store and the worker of the
//! product, with kinds of jobs that exist only here.
//!
//! `job_worker DATABASE LEASE_MILLIS HEARTBEAT_MILLIS`, where the database is a `postgres://` URL or a file. It reports
//! its actions on standard output.

#![allow(clippy::print_stdout, reason = "tests follow the server by its output")]

#[path = "../kinds.rs"]
mod kinds;

use async_trait::async_trait;
use kinds::{Crash, Nap, Panic, QUEUE, SOON};
use serde::{Deserialize, Serialize};
use std::{error::Error, sync::Arc, time::Duration};
use tenantry_crypto::{SystemClock, SystemEntropy};
use tenantry_jobs::{Done, Handler, JobAttempt, JobFailure, JobQueue, Kind, NewJob, RetryPolicy, WakeUp};
use tenantry_kernel::{Context, StoreError};
use tenantry_store::{Database, Scope, Store, StoreConfig, Synchronous, SystemReason, Unit};
use tenantry_worker::{Handlers, JobStore, QueueConfig, Worker, WorkerConfig};
use tokio_util::sync::CancellationToken;

const SCOPE: Scope = Scope::System(SystemReason::Worker);

/// The receipt of a nap: no worker serves its queue, so that tests can count it.
#[derive(Serialize, Deserialize)]
struct Receipt;

impl Kind for Receipt {
    const NAME: &'static str = "receipt";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "receipts";
    const RETRY: RetryPolicy = RetryPolicy { max_attempts: 1, first: SOON, longest: SOON };
}

#[derive(Clone)]
struct Jobs {
    store: Store,
    context: Context,
}

impl JobStore for Jobs {
    type Unit = Unit;

    async fn read(&self) -> Result<Unit, StoreError> {
        self.store.read(SCOPE).await
    }

    async fn begin(&self) -> Result<Unit, StoreError> {
        self.store.begin(SCOPE).await
    }

    async fn commit(&self, unit: Unit) -> Result<(), StoreError> {
        unit.commit().await.map(|_| ())
    }
}

/// A wake-up source that never fires: all jobs are enqueued by another process.
struct Silence;

#[async_trait]
impl WakeUp for Silence {
    fn call(&self) {}

    async fn called(&self) {
        std::future::pending().await
    }
}

fn begun(of: &JobAttempt) {
    println!("begun {} {}", of.job.id, of.job.attempt);
}

#[async_trait]
impl Handler<Nap> for Jobs {
    async fn run(&self, nap: Nap, of: &JobAttempt) -> Result<Done, JobFailure> {
        begun(of);
        let millis = if of.job.attempt == 1 { nap.first_millis } else { nap.later_millis };
        tokio::time::sleep(Duration::from_millis(millis)).await;
        if !nap.in_unit {
            return Ok(Done::Outside);
        }
        let mut unit = self.begin().await?;
        unit.enqueue_job(&NewJob::of(&self.context, of.job.tenant, &Receipt)?).await?;
        let done = of.complete_in(&mut unit).await.inspect_err(|_| println!("refused {}", of.job.id))?;
        self.commit(unit).await?;
        Ok(done)
    }
}

#[async_trait]
impl Handler<Crash> for Jobs {
    async fn run(&self, _: Crash, of: &JobAttempt) -> Result<Done, JobFailure> {
        begun(of);
        std::process::abort();
    }
}

#[async_trait]
impl Handler<Panic> for Jobs {
    async fn run(&self, _: Panic, of: &JobAttempt) -> Result<Done, JobFailure> {
        begun(of);
        panic!("as it was made to");
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, lease, heartbeat] = &arguments[..] else { return Err("a database, a lease and a heartbeat".into()) };
    let millis = |text: &str| text.parse().map(Duration::from_millis);
    let database = match database.starts_with("postgres://") {
        true => Database::Postgres(database.as_str().into()),
        false => Database::Sqlite(database.into()),
    };
    let deadline = Duration::from_secs(2);
    let config = StoreConfig { database, pool_size: 4, deadline, synchronous: Synchronous::Normal };
    let store = Store::connect(config, Arc::default());
    let context = Context::new(SystemClock, SystemEntropy);
    let jobs = Jobs { store: store.await?, context: context.clone() };
    let handlers = Handlers::new().with::<Nap>(jobs.clone()).with::<Crash>(jobs.clone()).with::<Panic>(jobs.clone());
    let queues = vec![QueueConfig { name: QUEUE.to_owned(), concurrency: 8 }];
    let config =
        WorkerConfig { lease: millis(lease)?, heartbeat: millis(heartbeat)?, ..WorkerConfig::new(queues, Some(6)) };
    let worker = Worker::new(jobs, context, Arc::new(Silence), handlers, Vec::new(), config);
    worker.run(CancellationToken::new(), CancellationToken::new()).await;
    Ok(())
}
