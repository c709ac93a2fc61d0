//! The worker of this program: its queues, the handlers of its jobs, and the store that it uses.

use std::{sync::Arc, time::Duration};
use tenantry_files::{RemoveBlob, SweepBlobs};
use tenantry_identity::{EmailChangeRequested, RegistrationRequested, ResetRequested, VerificationRequested};
use tenantry_jobs::{CleanUp, Schedule};
use tenantry_kernel::{Context, StoreError};
use tenantry_mails::Email;
use tenantry_service::{
    Accounts, BlobKeeper, CleanUps, EmailSender, Scope, SealJournal, SealsJournal, SystemReason, Transactions, Unit,
};
use tenantry_worker::{Handlers, JobStore, QueueConfig, Worker, WorkerConfig};
use tokio_util::sync::CancellationToken;

use crate::{Composition, StartError, watchdog::Pulse};

const SCOPE: Scope = Scope::System(SystemReason::Worker);

/// The store, as a worker uses it.
#[derive(Clone)]
struct WorkerStore(Transactions);

impl JobStore for WorkerStore {
    type Unit = Unit;

    async fn read(&self) -> Result<Unit, StoreError> {
        self.0.read(SCOPE).await
    }

    async fn begin(&self) -> Result<Unit, StoreError> {
        self.0.begin(SCOPE).await
    }

    async fn commit(&self, unit: Unit) -> Result<(), StoreError> {
        self.0.commit(unit).await
    }
}

/// The worker of this process, which runs until it is ended.
pub(crate) struct RunningWorker {
    stop: CancellationToken,
    hand_back: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    /// Kept here too, so that the watchdog notices a worker that has ended on its own.
    _pulse: Arc<Pulse>,
}

impl RunningWorker {
    pub(crate) fn start(app: &Composition) -> Result<Self, StartError> {
        let schedules = schedules(&app.context, app.config.audit.seals)?;
        let handlers = handlers(app);
        let queues = app.config.jobs.concurrency.iter();
        let queues =
            queues.map(|(name, concurrency)| QueueConfig { name: (*name).to_owned(), concurrency: *concurrency });
        let config = WorkerConfig::new(queues.collect(), Some(app.config.jobs.per_tenant));
        let worker = Worker::new(
            WorkerStore(app.transactions.clone()),
            app.context.clone(),
            app.wake_up.clone(),
            handlers,
            schedules,
            config,
        );
        let pulse = app.watchdog.watch("the worker", patience_seconds(app.config.database.deadline));
        let worker = worker.with_pulse({
            let pulse = pulse.clone();
            move || pulse.beat()
        });
        let (stop, hand_back) = (CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(worker.run(stop.clone(), hand_back.clone()));
        Ok(Self { stop, hand_back, task, _pulse: pulse })
    }

    /// Stops claiming jobs.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits up to `patience` for the running jobs, and then releases the unfinished ones.
    pub(crate) async fn end(self, patience: Duration) {
        self.stop.cancel();
        let hand_back = self.hand_back;
        let mut task = self.task;
        let ended = match tokio::time::timeout(patience, &mut task).await {
            Ok(ended) => ended,
            Err(_) => {
                hand_back.cancel();
                task.await
            }
        };
        if ended.is_err() {
            tracing::error!("the worker panicked");
        }
    }
}

/// Returns the handlers of all kinds of jobs.
fn handlers(app: &Composition) -> Handlers {
    let (transactions, context, secrets) = (&app.transactions, &app.context, &app.secrets);
    let emails = EmailSender {
        mailer: app.outbox.mailer(),
        link_pages: app.link_pages.clone(),
        secrets: secrets.clone(),
        context: context.clone(),
    };
    let accounts = Accounts { transactions: transactions.clone(), secrets: secrets.clone(), context: context.clone() };
    let blobs = BlobKeeper { blobs: app.blobs.clone(), transactions: transactions.clone(), context: context.clone() };
    Handlers::new()
        .with::<Email>(emails)
        .with::<RegistrationRequested>(accounts.clone())
        .with::<ResetRequested>(accounts.clone())
        .with::<VerificationRequested>(accounts.clone())
        .with::<EmailChangeRequested>(accounts)
        .with::<CleanUp>(CleanUps { cleaner: app.cleaner.clone(), transactions: transactions.clone() })
        .with::<RemoveBlob>(blobs.clone())
        .with::<SweepBlobs>(blobs)
        .with::<SealJournal>(SealsJournal(app.sealer.clone()))
}

/// Returns the number of seconds that a worker may take without a heartbeat. While the database does not respond, a
/// worker waits for two units at a time; it must not count as stuck then.
fn patience_seconds(deadline: Duration) -> u32 {
    const BESIDE: Duration = Duration::from_secs(10);
    u32::try_from((deadline * 3 + BESIDE).as_secs()).unwrap_or(u32::MAX)
}

/// Returns the schedules of recurring jobs.
fn schedules(context: &Context, seals: bool) -> Result<Vec<Schedule>, StartError> {
    // Not on the hour, when the schedules of most systems fire.
    let mut schedules = vec![
        Schedule::of(context, "cleanup", "17 * * * *".parse()?, &CleanUp::everything())?,
        Schedule::of(context, "sweep_blobs", "47 3 * * *".parse()?, &SweepBlobs {})?,
    ];
    if seals {
        schedules.push(Schedule::of(context, "seals", "* * * * *".parse()?, &SealJournal {})?);
    }
    Ok(schedules)
}
