//! A model of the queue in memory, as the ports describe it. The model sees each response of a store, objects to
//! forbidden ones, and then takes the state that the store must have.

use std::collections::{BTreeMap, HashMap, HashSet};
use tenantry_jobs::{AttemptOutcome, Claim, DeadLetter, Enqueued, JobId, JobState, JobStatus, NewJob, Settlement};
use tenantry_kernel::{TenantId, Timestamp};

use super::{entry::Entry, fairness::Waits};

/// Result of a check; the error is the objection of the model.
pub(super) type Checked<T = ()> = Result<T, String>;

pub(super) fn ensure(holds: bool, objection: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(objection()) }
}

/// The tenant whose jobs take turns together; jobs without a tenant form one tenant key.
pub(super) type TenantKey = Option<TenantId>;

/// How often each event occurred.
pub(super) type Seen = BTreeMap<&'static str, u32>;

/// The state of every job, and the tenant keys that wait for a turn.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) jobs: BTreeMap<JobId, Entry>,
    /// Waiting tenant keys by worker and queue.
    pub(super) waits: HashMap<(usize, &'static str), Waits>,
    pub(super) seen: Seen,
}

impl Model {
    pub(super) fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn entry(&mut self, job: JobId) -> Checked<&mut Entry> {
        self.jobs.get_mut(&job).ok_or_else(|| format!("no unit has enqueued {job}"))
    }

    fn has_live_twin(&self, job: &NewJob) -> bool {
        let is_twin = |other: &NewJob| {
            (other.tenant, other.kind, &other.unique_key) == (job.tenant, job.kind, &job.unique_key)
                && other.id != job.id
        };
        job.unique_key.is_some() && self.jobs.values().any(|entry| entry.is_live() && is_twin(&entry.job))
    }

    pub(super) fn is_good(&self, claim: &Claim) -> bool {
        self.jobs.get(&claim.job).is_some_and(|entry| entry.lease.is_some_and(|lease| lease.token == claim.token))
    }

    pub(super) fn is_over(&self) -> bool {
        !self.jobs.values().any(Entry::is_live)
    }

    /// Returns whether the queue has a job to claim, or any queue has a job whose state changes by time.
    pub(super) fn has_due(&self, queue: &str, now: Timestamp) -> bool {
        let is_due = |entry: &Entry| match entry.state {
            JobState::Ready => entry.job.queue == queue,
            JobState::Scheduled => entry.run_at <= now,
            _ => entry.has_lease_ended(now),
        };
        self.jobs.values().any(is_due)
    }

    pub(super) fn enqueue(&mut self, jobs: &[NewJob], answers: &[Enqueued]) -> Checked {
        ensure(jobs.len() == answers.len(), || format!("of {} jobs it said: {answers:?}", jobs.len()))?;
        for (job, answer) in jobs.iter().zip(answers) {
            let expected = if self.has_live_twin(job) { Enqueued::Duplicate } else { Enqueued::Added };
            ensure(*answer == expected, || format!("{} should be {expected:?} and was {answer:?}", job.id))?;
            if expected == Enqueued::Added {
                self.jobs.insert(job.id, Entry::new(job));
                self.note("added");
            } else {
                self.note("duplicate");
            }
        }
        Ok(())
    }

    pub(super) fn advance(&mut self, now: Timestamp, letters: &[DeadLetter]) -> Checked {
        let mut expected = HashSet::new();
        for entry in self.jobs.values_mut() {
            let what = if entry.state == JobState::Scheduled && entry.run_at <= now {
                entry.get_ready();
                "came due"
            } else if !entry.has_lease_ended(now) {
                continue;
            } else if entry.attempt < entry.job.max_attempts {
                entry.get_ready();
                "came back"
            } else {
                entry.finish(JobState::Dead, now);
                expected.insert((entry.job.id, entry.job.tenant, entry.job.kind));
                "given up"
            };
            *self.seen.entry(what).or_default() += 1;
        }
        let told: HashSet<_> = letters
            .iter()
            .map(|dead_letter| (dead_letter.job, dead_letter.tenant, dead_letter.kind.as_str()))
            .collect();
        ensure(told == expected && told.len() == letters.len(), || {
            format!("dead letters should be {expected:?} and were {letters:?}")
        })
    }

    pub(super) fn extend(&mut self, claims: &[Claim], until: Timestamp, refused: &[Claim]) -> Checked {
        for claim in self.check_refused(claims, refused)? {
            self.entry(claim.job)?.extend(until);
            self.note("renewed");
        }
        Ok(())
    }

    pub(super) fn settle(&mut self, settlements: &[Settlement], now: Timestamp, refused: &[Claim]) -> Checked {
        let claims: Vec<Claim> = settlements.iter().map(|settlement| settlement.claim).collect();
        self.check_refused(&claims, refused)?;
        for Settlement { claim, outcome } in settlements {
            if !refused.contains(claim) {
                self.entry(claim.job)?.end_try(outcome, now);
                self.note("word taken");
            }
        }
        Ok(())
    }

    pub(super) fn complete(&mut self, claim: Claim, now: Timestamp, answer: bool) -> Checked {
        let refused = if answer { vec![] } else { vec![claim] };
        self.settle(&[Settlement { claim, outcome: AttemptOutcome::Completed }], now, &refused)
    }

    /// Returns the valid claims. Fails unless exactly the other claims were refused.
    fn check_refused(&mut self, claims: &[Claim], refused: &[Claim]) -> Checked<Vec<Claim>> {
        let (good, late): (Vec<Claim>, Vec<Claim>) = claims.iter().partition(|claim| self.is_good(claim));
        let (expected, told): (HashSet<_>, HashSet<_>) = (late.iter().collect(), refused.iter().collect());
        ensure(told == expected && told.len() == refused.len(), || {
            format!("of {claims:?} the late ones are {late:?} and refused were {refused:?}")
        })?;
        late.iter().for_each(|_| self.note("late"));
        Ok(good)
    }

    pub(super) fn retry(&mut self, job: JobId, now: Timestamp, answer: bool) -> Checked {
        let entry = self.entry(job)?.clone();
        let may = matches!(entry.state, JobState::Dead | JobState::Cancelled) && !self.has_live_twin(&entry.job);
        ensure(answer == may, || format!("reviving {entry:?} was answered with {answer}"))?;
        if may {
            self.entry(job)?.retry(now);
            self.note("retried");
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, job: JobId, now: Timestamp, answer: bool) -> Checked {
        let entry = self.entry(job)?;
        let may = matches!(entry.state, JobState::Scheduled | JobState::Ready);
        ensure(answer == may, || format!("calling {entry:?} off was answered with {answer}"))?;
        if may {
            entry.finish(JobState::Cancelled, now);
            self.note("cancelled");
        }
        Ok(())
    }

    /// Checks that the store has exactly the jobs of the model, each in its expected state.
    pub(super) fn compare(&self, found: &[JobStatus]) -> Checked {
        let mut missing: HashSet<JobId> = self.jobs.keys().copied().collect();
        for status in found {
            let entry = self.jobs.get(&status.id).ok_or_else(|| format!("no unit has committed {status:?}"))?;
            ensure(missing.remove(&status.id), || format!("twice there is {status:?}"))?;
            entry.compare(status)?;
        }
        ensure(missing.is_empty(), || format!("lost are {missing:?}"))
    }
}
