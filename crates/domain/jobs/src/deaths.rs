//! Events of dead letters, which need an operator's attention.

use tenantry_kernel::{Actor, Context, Event, Journal, Outcome, RequestId, StoreError};

use crate::{AttemptOutcome as JobOutcome, DeadLetter, Job, vocabulary::JOB_DIED};

impl DeadLetter {
    /// Returns the dead letter of a job with this outcome; `None` unless the job was given up.
    pub fn of(job: &Job, outcome: &JobOutcome) -> Option<Self> {
        let (JobOutcome::Dead { error } | JobOutcome::Discarded { error }) = outcome else { return None };
        Some(Self { job: job.id, tenant: job.tenant, kind: job.kind.clone(), error: error.clone() })
    }
}

/// Appends an event per dead letter, in the unit that gave the jobs up.
pub async fn record_dead_letters(
    unit: &mut (impl Journal + ?Sized),
    context: &Context,
    dead: &[DeadLetter],
) -> Result<(), StoreError> {
    for dead_letter in dead {
        let actor = Actor::system(RequestId::new(context));
        let died = Event::new(context, &actor, JOB_DIED)
            .within(dead_letter.tenant)
            .target(dead_letter.job, Some(&dead_letter.kind))
            .outcome(Outcome::Failed)
            .set("kind", dead_letter.kind.as_str());
        unit.append_event(died).await?;
    }
    Ok(())
}
