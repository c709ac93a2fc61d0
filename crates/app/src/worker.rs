//! The worker of this program: which queues it serves, what does the jobs of each kind, and where its units come from.

mod accounts;
mod blobs;
mod clean_up;
mod emails;
mod seals;

use std::{sync::Arc, time::Duration};
use tenantry_files::{RemoveBlob, SweepBlobs};
use tenantry_identity::{EmailChangeRequested, RegistrationRequested, ResetRequested, VerificationRequested};
use tenantry_jobs::{CleanUp, Kind, Schedule};
use tenantry_kernel::StoreError;
use tenantry_mails::Email;
use tenantry_store::{Scope, SystemReason, Unit};
use tenantry_worker::{Handlers, JobStore, QueueConfig, Worker, WorkerConfig};
use tokio_util::sync::CancellationToken;

use crate::{App, StartError, sealing::SealJournal, watchdog::Pulse};
use accounts::Accounts;
use blobs::BlobKeeper;
use clean_up::CleanUps;
use emails::EmailSender;
use seals::SealsJournal;

pub(crate) const SCOPE: Scope = Scope::System(SystemReason::Worker);

/// The queues of this program.
pub(crate) const QUEUES: &[&str] = &[RegistrationRequested::QUEUE, Email::QUEUE, CleanUp::QUEUE, SealJournal::QUEUE];

/// The application as a worker sees it.
impl JobStore for App {
    type Unit = Unit;

    async fn read(&self) -> Result<Unit, StoreError> {
        self.reader.open(SCOPE).await
    }

    async fn begin(&self) -> Result<Unit, StoreError> {
        self.transactions.begin(SCOPE).await
    }

    async fn commit(&self, unit: Unit) -> Result<(), StoreError> {
        self.transactions.commit(unit).await
    }
}

/// The worker of this process, which works until it is ended.
pub(crate) struct RunningWorker {
    stop: CancellationToken,
    hand_back: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    /// Kept here too, so that a worker that has ended unasked is missed.
    _pulse: Arc<Pulse>,
}

impl RunningWorker {
    pub(crate) fn start(app: &App) -> Result<Self, StartError> {
        let schedules = schedules(app)?;
        let handlers = Handlers::new()
            .with::<Email>(EmailSender(app.clone()))
            .with::<RegistrationRequested>(Accounts(app.clone()))
            .with::<ResetRequested>(Accounts(app.clone()))
            .with::<VerificationRequested>(Accounts(app.clone()))
            .with::<EmailChangeRequested>(Accounts(app.clone()))
            .with::<CleanUp>(CleanUps(app.clone()))
            .with::<RemoveBlob>(BlobKeeper(app.clone()))
            .with::<SweepBlobs>(BlobKeeper(app.clone()))
            .with::<SealJournal>(SealsJournal(app.clone()));
        let queues = app.config.jobs.concurrency.iter();
        let queues =
            queues.map(|(name, concurrency)| QueueConfig { name: (*name).to_owned(), concurrency: *concurrency });
        let config = WorkerConfig::new(queues.collect(), Some(app.config.jobs.per_tenant));
        let worker = Worker::new(app.clone(), app.world.clone(), app.wake_up.clone(), handlers, schedules, config);
        let pulse = app.watchdog.watch("the worker", patience_seconds(app.config.database.deadline));
        let worker = worker.with_pulse({
            let pulse = pulse.clone();
            move || pulse.beat()
        });
        let (stop, hand_back) = (CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(worker.run(stop.clone(), hand_back.clone()));
        Ok(Self { stop, hand_back, task, _pulse: pulse })
    }

    /// Takes no more jobs from now on.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for those that it has for so long, and hands back what is not done by then.
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

/// For how long a worker may not come round. It waits for two units at a time while the database does not answer, which is
/// not its fault.
fn patience_seconds(deadline: Duration) -> u32 {
    const BESIDE: Duration = Duration::from_secs(10);
    u32::try_from((deadline * 3 + BESIDE).as_secs()).unwrap_or(u32::MAX)
}

/// What is done again and again.
fn schedules(app: &App) -> Result<Vec<Schedule>, StartError> {
    // Not on the hour, when everybody's schedules fire.
    let mut schedules = vec![
        Schedule::of(&app.world, "cleanup", "17 * * * *".parse()?, &CleanUp::everything())?,
        Schedule::of(&app.world, "sweep_blobs", "47 3 * * *".parse()?, &SweepBlobs {})?,
    ];
    if app.config.audit.seals {
        schedules.push(Schedule::of(&app.world, "seals", "* * * * *".parse()?, &SealJournal {})?);
    }
    Ok(schedules)
}
