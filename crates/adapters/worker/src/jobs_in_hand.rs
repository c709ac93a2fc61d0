//! What a worker has in hand: jobs that run, and what is yet to be noted of those that have ended.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tenantry_jobs::{Claim, Claims, DeadLetter, Job, Outcome, Settlement};
use tokio::task::AbortHandle;

/// A job that waits for a place, runs, or has run and is not noted yet.
pub(crate) struct InHand {
    pub(crate) queue: usize,
    pub(crate) job: Job,
    pub(crate) task: AbortHandle,
    pub(crate) beginning: Beginning,
}

/// Whether a job may begin still: either its task begins it, or the worker gives it back.
#[derive(Clone, Default)]
pub(crate) struct Beginning(Arc<AtomicBool>);

impl Beginning {
    /// `true` for whoever decides first.
    pub(crate) fn decide(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// A try that has ended.
pub(crate) struct Report {
    pub(crate) claim: Claim,
    /// What is to be noted; `None` when the handler has done that.
    pub(crate) outcome: Option<Outcome>,
}

/// Jobs keep their places until what became of them is noted.
#[derive(Default)]
pub(crate) struct JobsInHand {
    jobs: HashMap<Claim, InHand>,
    reports: Vec<Settlement>,
}

impl JobsInHand {
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(crate) fn take_up(&mut self, claim: Claim, job: InHand) {
        self.jobs.insert(claim, job);
    }

    pub(crate) fn has_ended(&mut self, report: Report) {
        match report.outcome {
            Some(outcome) if self.jobs.contains_key(&report.claim) => {
                self.reports.push(Settlement { claim: report.claim, outcome });
            }
            // The lease was lost meanwhile, and with it the job.
            Some(_) => {}
            None => {
                self.jobs.remove(&report.claim);
            }
        }
    }

    /// What is to be noted.
    pub(crate) fn reports(&self) -> &[Settlement] {
        &self.reports
    }

    /// The dead letters among what is to be noted.
    pub(crate) fn dead(&self, refused: &[Claim]) -> Vec<DeadLetter> {
        let good = self.reports.iter().filter(|settlement| !refused.contains(&settlement.claim));
        good.filter_map(|settlement| DeadLetter::of(&self.jobs.get(&settlement.claim)?.job, &settlement.outcome))
            .collect()
    }

    /// The claims of those that run still.
    pub(crate) fn running(&self) -> Vec<Claim> {
        let ended = |claim: &&Claim| self.reports.iter().any(|settlement| settlement.claim == **claim);
        self.jobs.keys().filter(|claim| !ended(claim)).copied().collect()
    }

    /// How many more jobs of a queue are of use once what is to be noted is noted: one for each free place, and one for
    /// each job that has just ended, since about as many will have ended when the next have come.
    pub(crate) fn room(&self, queue: usize, places: u32) -> u32 {
        let places = places as usize;
        let of_queue = |report: &&Settlement| self.jobs.get(&report.claim).is_some_and(|job| job.queue == queue);
        let reports = || self.reports.iter().filter(of_queue);
        let taken = self.jobs.values().filter(|job| job.queue == queue).count() - reports().count();
        let ended = reports().filter(|report| report.outcome != Outcome::HandedBack).count();
        u32::try_from((places + ended.min(places)).saturating_sub(taken)).unwrap_or(u32::MAX)
    }

    /// Everything that was to be noted is.
    pub(crate) fn noted(&mut self, refused: &[Claim]) {
        for settlement in self.reports.drain(..) {
            let Some(InHand { job, .. }) = self.jobs.remove(&settlement.claim) else { continue };
            if refused.contains(&settlement.claim) {
                tracing::warn!(job = %job.id, kind = job.kind, "a job ended after its lease; the word on it was refused");
            } else {
                log(&job, &settlement.outcome);
            }
        }
    }

    /// Lets go of jobs that somebody else has by now.
    pub(crate) fn lose(&mut self, lost: &[Claim]) {
        for claim in lost {
            let Some(InHand { job, task, .. }) = self.jobs.remove(claim) else { continue };
            task.abort();
            metrics::counter!("tenantry_job_heartbeats_lost_total").increment(1);
            tracing::warn!(job = %job.id, kind = job.kind, "the lease of a job was lost; somebody else does it");
        }
    }

    /// Gives back what waits for a place still: somebody else may have one.
    pub(crate) fn hand_back_waiting(&mut self) {
        for claim in self.running() {
            if let Some(InHand { task, beginning, .. }) = self.jobs.get(&claim)
                && beginning.decide()
            {
                task.abort();
                self.reports.push(Settlement { claim, outcome: Outcome::HandedBack });
            }
        }
    }

    /// Stops what runs still, and gives it back untried.
    pub(crate) fn hand_back(&mut self) {
        for claim in self.running() {
            if let Some(InHand { job, task, .. }) = self.jobs.get(&claim) {
                task.abort();
                tracing::info!(job = %job.id, kind = job.kind, "a job is handed back");
            }
            self.reports.push(Settlement { claim, outcome: Outcome::HandedBack });
        }
    }
}

/// Says which rows nobody could read.
pub(crate) fn log_unreadable(claims: &Claims) {
    for letter in &claims.unreadable {
        tracing::error!(job = %letter.job, kind = letter.kind, error = letter.error, "a job cannot be read");
    }
}

fn log(job: &Job, outcome: &Outcome) {
    let (id, kind, attempt) = (job.id, job.kind.as_str(), job.attempt);
    match outcome {
        Outcome::Completed => tracing::debug!(job = %id, kind, "a job was done"),
        Outcome::Snoozed { until } => tracing::debug!(job = %id, kind, %until, "a job waits"),
        Outcome::HandedBack => {}
        Outcome::RetryAt { at, error } => {
            tracing::warn!(job = %id, kind, attempt, error, retry_at = %at, "a job failed");
        }
        Outcome::Dead { error } | Outcome::Discarded { error } => {
            tracing::error!(job = %id, kind, attempt, error, "a job was given up");
        }
    }
}
