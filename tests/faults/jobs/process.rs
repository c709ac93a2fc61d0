//! A worker as a separate process, and the queue that it serves.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tenantry_crypto::{SystemClock, SystemEntropy};
use tenantry_jobs::{JobQueue, Kind as JobKind, NewJob};
use tenantry_kernel::{Context, Name, TenantId, TenantStatus};
use tenantry_store::{Database, Scope, Store, StoreConfig, Synchronous, SystemReason};
use tenantry_tenancy::{Plan, Slug, Tenant, Tenants};

use super::super::answer_within;
use crate::support::{Kind, ServerData, Sql};

/// A migrated database without a server.
pub(super) struct Queue {
    pub(super) store: Store,
    pub(super) sql: Sql,
    pub(super) context: Context,
    address: String,
    _place: ServerData,
}

impl Queue {
    const SCOPE: Scope = Scope::System(SystemReason::Maintenance);

    pub(super) async fn new(kind: Kind) -> Self {
        let place = ServerData::new(kind).await;
        let (database, address) = match kind {
            Kind::Sqlite => {
                let file = place.folder.path().join("tenantry.db");
                (Database::Sqlite(file.clone()), file.display().to_string())
            }
            Kind::Postgres => (Database::Postgres(place.database_url().into()), place.database_url().to_owned()),
        };
        let (deadline, synchronous) = (Duration::from_secs(20), Synchronous::Normal);
        let config = StoreConfig { database, pool_size: 4, deadline, synchronous };
        let store = Store::connect(config, Arc::default()).await.unwrap();
        store.migrate().await.unwrap();
        let context = Context::new(SystemClock, SystemEntropy);
        Self { store, sql: place.sql().await, context, address, _place: place }
    }

    pub(super) async fn tenant(&self) -> TenantId {
        let id = TenantId::new(&self.context);
        let tenant = Tenant {
            id,
            name: Name::parse("Acme").unwrap(),
            slug: Slug::parse(&id.to_string()).unwrap(),
            plan: Plan::first(),
            status: TenantStatus::Active,
            version: 1,
            created_at: self.context.now(),
        };
        let mut unit = self.store.begin(Self::SCOPE).await.unwrap();
        unit.insert_tenant(&tenant).await.unwrap();
        unit.commit().await.unwrap();
        id
    }

    pub(super) fn job<K: JobKind>(&self, tenant: Option<TenantId>, payload: &K) -> NewJob {
        NewJob::of(&self.context, tenant, payload).unwrap()
    }

    pub(super) async fn enqueue(&self, jobs: &[NewJob]) {
        let mut unit = self.store.begin(Self::SCOPE).await.unwrap();
        unit.enqueue_jobs(jobs).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Returns how many jobs match the condition.
    pub(super) async fn count(&self, of: &str) -> i64 {
        self.sql.number(&format!("SELECT count(*) FROM jobs WHERE {of}")).await
    }

    /// Waits until this number of jobs matches the condition, and returns how long that took.
    pub(super) async fn comes_to(&self, count: i64, of: &str, limit: Duration) -> Duration {
        let found = async || (self.count(of).await == count).then_some(());
        answer_within(limit, &format!("{count} jobs of which {of}"), found).await.1
    }

    pub(super) fn worker(&self, lease: Duration, heartbeat: Duration) -> JobWorker {
        JobWorker::start(&self.address, lease, heartbeat)
    }
}

/// A running worker. Dropping it kills the process.
pub(super) struct JobWorker {
    child: Child,
    said: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl JobWorker {
    fn start(database: &str, lease: Duration, heartbeat: Duration) -> Self {
        let mut command = Command::new(program());
        command.arg(database).arg(lease.as_millis().to_string()).arg(heartbeat.as_millis().to_string()).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::default();
        listen(child.stdout.take().unwrap(), &said);
        listen(child.stderr.take().unwrap(), &said);
        Self { child, said }
    }

    /// Returns when the worker printed a line with this text.
    pub(super) fn said(&self, words: &str) -> Option<Instant> {
        self.said.lock().unwrap().iter().find(|(_, line)| line.contains(words)).map(|(at, _)| *at)
    }

    /// Waits until the worker prints a line with this text.
    pub(super) async fn says(&self, words: &str, limit: Duration) -> Instant {
        let (at, _) = answer_within(limit, &format!("a worker says {words:?}"), async || self.said(words)).await;
        at
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for JobWorker {
    #[expect(clippy::print_stdout, reason = "a failed test prints the logs of its workers")]
    fn drop(&mut self) {
        // Fails when the process has ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let said = self.said.lock().unwrap();
            for (_, line) in said.iter().rev().take(50).rev() {
                println!("a worker: {line}");
            }
        }
    }
}

fn listen(from: impl Read + Send + 'static, said: &Arc<Mutex<Vec<(Instant, String)>>>) {
    let said = said.clone();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            said.lock().unwrap().push((Instant::now(), line));
        }
    });
}

/// Returns the path of the program, which Cargo builds with the tests, as an example of the package.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(|folder| folder.parent()).unwrap().join("examples/job_worker");
    assert!(program.exists(), "{} is not built: leave `--test` out, or add `--examples`", program.display());
    program
}
