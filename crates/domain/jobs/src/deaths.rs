//! Dead letters are events: somebody is to look at them.

use tenantry_kernel::{Action, Actor, Event, Journal, Outcome, RequestId, StoreError, World};

use crate::{DeadLetter, Job, Outcome as JobOutcome};

impl DeadLetter {
    /// What a job leaves that ended this way; nothing unless it was given up.
    pub fn of(job: &Job, outcome: &JobOutcome) -> Option<Self> {
        let (JobOutcome::Dead { error } | JobOutcome::Discarded { error }) = outcome else { return None };
        Some(Self { job: job.id, tenant: job.tenant, kind: job.kind.clone(), error: error.clone() })
    }
}

/// Notes in the journal that jobs were given up, in the unit that gave them up.
pub async fn note_deaths(
    unit: &mut (impl Journal + ?Sized),
    world: &World,
    dead: &[DeadLetter],
) -> Result<(), StoreError> {
    for letter in dead {
        let actor = Actor::system(RequestId::new(world));
        let died = Event::new(world, &actor, Action::JobDied)
            .within(letter.tenant)
            .target(letter.job, Some(&letter.kind))
            .outcome(Outcome::Failed)
            .set("kind", letter.kind.as_str());
        unit.append_event(died).await?;
    }
    Ok(())
}
