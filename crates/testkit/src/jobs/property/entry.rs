//! One job of the model and its transitions.

use tenantry_jobs::{AttemptOutcome, JobState, JobStatus, NewJob};
use tenantry_kernel::Timestamp;
use uuid::Uuid;

use super::model::{Checked, ensure};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) token: Uuid,
    pub(super) until: Timestamp,
}

/// A job and its state.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) job: NewJob,
    pub(super) state: JobState,
    pub(super) attempt: u32,
    pub(super) run_at: Timestamp,
    /// The lease, while the job runs.
    pub(super) lease: Option<Lease>,
    finished_at: Option<Timestamp>,
}

impl Entry {
    pub(super) fn new(job: &NewJob) -> Self {
        let state = if job.run_at > job.created_at { JobState::Scheduled } else { JobState::Ready };
        Self { job: job.clone(), state, attempt: 0, run_at: job.run_at, lease: None, finished_at: None }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, JobState::Scheduled | JobState::Ready | JobState::Running)
    }

    pub(super) fn has_lease_ended(&self, now: Timestamp) -> bool {
        self.lease.is_some_and(|lease| lease.until <= now)
    }

    /// Returns whether a unit that replaces `other` with this entry changes anything.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let state = |entry: &Self| (entry.state, entry.attempt, entry.run_at, entry.lease, entry.finished_at);
        state(self) != state(other)
    }

    pub(super) fn get_ready(&mut self) {
        (self.state, self.lease) = (JobState::Ready, None);
    }

    pub(super) fn begin_try(&mut self, lease: Lease) {
        self.attempt += 1;
        (self.state, self.lease) = (JobState::Running, Some(lease));
    }

    pub(super) fn extend(&mut self, until: Timestamp) {
        self.lease = self.lease.map(|lease| Lease { until, ..lease });
    }

    pub(super) fn finish(&mut self, state: JobState, now: Timestamp) {
        (self.state, self.lease, self.finished_at) = (state, None, Some(now));
    }

    fn wait_until(&mut self, moment: Timestamp) {
        (self.state, self.lease, self.run_at) = (JobState::Scheduled, None, moment);
    }

    pub(super) fn end_try(&mut self, outcome: &AttemptOutcome, now: Timestamp) {
        match outcome {
            AttemptOutcome::Completed => self.finish(JobState::Completed, now),
            AttemptOutcome::Dead { .. } | AttemptOutcome::Discarded { .. } => self.finish(JobState::Dead, now),
            AttemptOutcome::RetryAt { at, .. } => self.wait_until(*at),
            AttemptOutcome::Snoozed { until } => {
                self.attempt -= 1;
                self.wait_until(*until);
            }
            AttemptOutcome::HandedBack => {
                self.attempt -= 1;
                self.get_ready();
            }
        }
    }

    pub(super) fn retry(&mut self, now: Timestamp) {
        (self.state, self.attempt, self.run_at, self.finished_at) = (JobState::Ready, 0, now, None);
    }

    pub(super) fn compare(&self, found: &JobStatus) -> Checked {
        let expected = JobStatus {
            id: self.job.id,
            tenant: self.job.tenant,
            queue: self.job.queue.to_owned(),
            kind: self.job.kind.to_owned(),
            state: self.state,
            attempt: self.attempt,
            max_attempts: self.job.max_attempts,
            run_at: self.run_at,
            created_at: self.job.created_at,
            finished_at: self.finished_at,
            // Other suites check the error texts.
            last_error: found.last_error.clone(),
            result: found.result.clone(),
        };
        ensure(*found == expected, || format!("the store has {found:?}, which should be {expected:?}"))
    }
}
