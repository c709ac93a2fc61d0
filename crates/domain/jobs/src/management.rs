//! What people do with jobs: look, try again, call off.

use tenantry_kernel::{Action, Actor, Authorities, Command, Event, Journal, Requirement, World, authorize};

use crate::{
    JobError, JobId, JobStatus, Jobs,
    vocabulary::{JOB_CANCELLED, JOB_RETRIED, JOBS_MANAGE, JOBS_READ},
};

/// See background jobs.
#[derive(Debug, Clone, Copy)]
pub struct ReadJobs;

impl Command for ReadJobs {
    const REQUIRES: Requirement = Requirement::All(&[JOBS_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// Try a job again that was given up or called off.
#[derive(Debug, Clone, Copy)]
pub struct RetryJob {
    /// Which job.
    pub id: JobId,
}

impl Command for RetryJob {
    const REQUIRES: Requirement = Requirement::OperatorOr(&Requirement::All(&[JOBS_MANAGE]));
    const EVENTS: &'static [Action] = &[JOB_RETRIED];
}

/// Call a job off that has not begun.
#[derive(Debug, Clone, Copy)]
pub struct CancelJob {
    /// Which job.
    pub id: JobId,
}

impl Command for CancelJob {
    const REQUIRES: Requirement = Requirement::OperatorOr(&Requirement::All(&[JOBS_MANAGE]));
    const EVENTS: &'static [Action] = &[JOB_CANCELLED];
}

/// Makes a dead letter or a cancelled job ready again, with all its attempts before it. One whose secret is gone ends as
/// a dead letter again, by its handler.
pub async fn retry_job(
    unit: &mut (impl Jobs + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: RetryJob,
) -> Result<(), JobError> {
    authorize::<RetryJob>(unit, actor, world).await?;
    let job = unit.job_by_id(command.id).await?.ok_or(JobError::NotFound)?;
    if !unit.revive_job(job.id, world.now()).await? {
        return Err(JobError::InvalidState);
    }
    unit.append_event(event(world, actor, JOB_RETRIED, &job)).await?;
    Ok(())
}

/// Calls a job off that waits, for its time or for a worker. Its secret is blanked.
pub async fn cancel_job(
    unit: &mut (impl Jobs + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: CancelJob,
) -> Result<(), JobError> {
    authorize::<CancelJob>(unit, actor, world).await?;
    let job = unit.job_by_id(command.id).await?.ok_or(JobError::NotFound)?;
    if !unit.call_off_job(job.id, world.now()).await? {
        return Err(JobError::InvalidState);
    }
    unit.append_event(event(world, actor, JOB_CANCELLED, &job)).await?;
    Ok(())
}

fn event(world: &World, actor: &Actor, action: Action, job: &JobStatus) -> Event {
    Event::new(world, actor, action)
        .within(job.tenant)
        .target(job.id, Some(&job.kind))
        .set("kind", job.kind.as_str())
        .set("stateBefore", job.state.name())
}
