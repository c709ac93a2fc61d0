//! Jobs of a worker: those that run, and those that have ended but are not recorded yet.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tenantry_jobs::{AttemptOutcome, Claim, Claims, DeadLetter, Job, Settlement};
use tokio::task::AbortHandle;

/// A job that waits for a slot, runs, or has run and is not recorded yet.
pub(crate) struct InFlightJob {
    pub(crate) queue: usize,
    pub(crate) job: Job,
    pub(crate) task: AbortHandle,
    pub(crate) beginning: StartGate,
}

/// Decides once whether a waiting job begins: either its task starts it, or the worker hands it back.
#[derive(Clone, Default)]
pub(crate) struct StartGate(Arc<AtomicBool>);

impl StartGate {
    /// Returns `true` for the first caller only.
    pub(crate) fn decide(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// An attempt that has ended.
pub(crate) struct EndedAttempt {
    pub(crate) claim: Claim,
    /// The outcome to record; `None` when the handler has recorded it.
    pub(crate) outcome: Option<AttemptOutcome>,
}

/// The jobs of a worker. A job keeps its slot until its outcome is recorded.
#[derive(Default)]
pub(crate) struct InFlight {
    jobs: HashMap<Claim, InFlightJob>,
    reports: Vec<Settlement>,
}

impl InFlight {
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(crate) fn take_up(&mut self, claim: Claim, job: InFlightJob) {
        self.jobs.insert(claim, job);
    }

    pub(crate) fn has_ended(&mut self, report: EndedAttempt) {
        match report.outcome {
            Some(outcome) if self.jobs.contains_key(&report.claim) => {
                self.reports.push(Settlement { claim: report.claim, outcome });
            }
            // The lease was lost in the meantime, and with it the job.
            Some(_) => {}
            None => {
                self.jobs.remove(&report.claim);
            }
        }
    }

    /// Returns the outcomes to record.
    pub(crate) fn reports(&self) -> &[Settlement] {
        &self.reports
    }

    /// Returns the dead letters among the outcomes to record.
    pub(crate) fn dead(&self, refused: &[Claim]) -> Vec<DeadLetter> {
        let good = self.reports.iter().filter(|settlement| !refused.contains(&settlement.claim));
        good.filter_map(|settlement| DeadLetter::of(&self.jobs.get(&settlement.claim)?.job, &settlement.outcome))
            .collect()
    }

    /// Returns the claims of running jobs.
    pub(crate) fn running(&self) -> Vec<Claim> {
        let ended = |claim: &&Claim| self.reports.iter().any(|settlement| settlement.claim == **claim);
        self.jobs.keys().filter(|claim| !ended(claim)).copied().collect()
    }

    /// Returns how many more jobs of a queue to claim: one per free slot, and one per job that has just ended, since
    /// about as many will have ended when the next ones arrive.
    pub(crate) fn room(&self, queue: usize, places: u32) -> u32 {
        let places = places as usize;
        let of_queue = |report: &&Settlement| self.jobs.get(&report.claim).is_some_and(|job| job.queue == queue);
        let reports = || self.reports.iter().filter(of_queue);
        let taken = self.jobs.values().filter(|job| job.queue == queue).count() - reports().count();
        let ended = reports().filter(|report| report.outcome != AttemptOutcome::HandedBack).count();
        u32::try_from((places + ended.min(places)).saturating_sub(taken)).unwrap_or(u32::MAX)
    }

    /// Removes the jobs whose outcomes have been recorded.
    pub(crate) fn noted(&mut self, refused: &[Claim]) {
        for settlement in self.reports.drain(..) {
            let Some(InFlightJob { job, .. }) = self.jobs.remove(&settlement.claim) else { continue };
            if refused.contains(&settlement.claim) {
                tracing::warn!(job = %job.id, kind = job.kind, "a job ended after its lease had expired; its result was refused");
            } else {
                log(&job, &settlement.outcome);
            }
        }
    }

    /// Drops jobs whose claim has passed to another worker.
    pub(crate) fn lose(&mut self, lost: &[Claim]) {
        for claim in lost {
            let Some(InFlightJob { job, task, .. }) = self.jobs.remove(claim) else { continue };
            task.abort();
            metrics::counter!("tenantry_job_heartbeats_lost_total").increment(1);
            tracing::warn!(job = %job.id, kind = job.kind, "the lease of a job was lost; another worker runs the job");
        }
    }

    /// Hands back jobs that still wait for a slot: another worker may have one.
    pub(crate) fn hand_back_waiting(&mut self) {
        for claim in self.running() {
            if let Some(InFlightJob { task, beginning, .. }) = self.jobs.get(&claim)
                && beginning.decide()
            {
                task.abort();
                self.reports.push(Settlement { claim, outcome: AttemptOutcome::HandedBack });
            }
        }
    }

    /// Stops running jobs and hands them back without counting an attempt.
    pub(crate) fn hand_back(&mut self) {
        for claim in self.running() {
            if let Some(InFlightJob { job, task, .. }) = self.jobs.get(&claim) {
                task.abort();
                tracing::info!(job = %job.id, kind = job.kind, "a job is released");
            }
            self.reports.push(Settlement { claim, outcome: AttemptOutcome::HandedBack });
        }
    }
}

/// Logs rows that could not be read as jobs.
pub(crate) fn log_unreadable(claims: &Claims) {
    for dead_letter in &claims.unreadable {
        tracing::error!(job = %dead_letter.job, kind = dead_letter.kind, error = dead_letter.error, "the payload of a job cannot be read");
    }
}

fn log(job: &Job, outcome: &AttemptOutcome) {
    let (id, kind, attempt) = (job.id, job.kind.as_str(), job.attempt);
    match outcome {
        AttemptOutcome::Completed => tracing::debug!(job = %id, kind, "a job completed"),
        AttemptOutcome::Snoozed { until } => tracing::debug!(job = %id, kind, %until, "a job was deferred"),
        AttemptOutcome::HandedBack => {}
        AttemptOutcome::RetryAt { at, error } => {
            tracing::warn!(job = %id, kind, attempt, error, retry_at = %at, "a job failed");
        }
        AttemptOutcome::Dead { error } | AttemptOutcome::Discarded { error } => {
            tracing::error!(job = %id, kind, attempt, error, "a job became a dead letter");
        }
    }
}
