//! Manages jobs: view, retry, cancel.

use tenantry_kernel::{Action, Actor, Authorities, Command, Context, Event, Journal, Requirement, authorize};

use crate::{
    JobAdmin, JobError, JobId, JobState, JobStatus,
    vocabulary::{JOB_CANCELLED, JOB_RETRIED, JOBS_MANAGE, JOBS_READ},
};

/// View background jobs.
#[derive(Debug, Clone, Copy)]
pub struct ReadJobs;

impl Command for ReadJobs {
    const REQUIRES: Requirement = Requirement::All(&[JOBS_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// Retry a dead or cancelled job.
#[derive(Debug, Clone, Copy)]
pub struct RetryJob {
    /// The job.
    pub id: JobId,
}

impl Command for RetryJob {
    const REQUIRES: Requirement = Requirement::OperatorOr(&Requirement::All(&[JOBS_MANAGE]));
    const EVENTS: &'static [Action] = &[JOB_RETRIED];
}

/// Cancel a job that has not begun.
#[derive(Debug, Clone, Copy)]
pub struct CancelJob {
    /// The job.
    pub id: JobId,
}

impl Command for CancelJob {
    const REQUIRES: Requirement = Requirement::OperatorOr(&Requirement::All(&[JOBS_MANAGE]));
    const EVENTS: &'static [Action] = &[JOB_CANCELLED];
}

/// Makes a dead letter or a cancelled job ready again, with all its attempts left. Fails with [`JobError::SecretGone`]
/// when no attempt could succeed.
pub async fn retry_job(
    unit: &mut (impl JobAdmin + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: RetryJob,
) -> Result<(), JobError> {
    authorize::<RetryJob>(unit, actor, context).await?;
    let job = unit.job_by_id(command.id).await?.ok_or(JobError::NotFound)?;
    if matches!(job.state, JobState::Dead | JobState::Cancelled) && unit.lacks_secret(job.id, context.now()).await? {
        return Err(JobError::SecretGone);
    }
    if !unit.retry_job(job.id, context.now()).await? {
        return Err(JobError::InvalidState);
    }
    unit.append_event(event(context, actor, JOB_RETRIED, &job)).await?;
    Ok(())
}

/// Cancels a job that waits for its time or for a worker. Deletes the secret of the job.
pub async fn cancel_job(
    unit: &mut (impl JobAdmin + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: CancelJob,
) -> Result<(), JobError> {
    authorize::<CancelJob>(unit, actor, context).await?;
    let job = unit.job_by_id(command.id).await?.ok_or(JobError::NotFound)?;
    if !unit.cancel_job(job.id, context.now()).await? {
        return Err(JobError::InvalidState);
    }
    unit.append_event(event(context, actor, JOB_CANCELLED, &job)).await?;
    Ok(())
}

fn event(context: &Context, actor: &Actor, action: Action, job: &JobStatus) -> Event {
    Event::new(context, actor, action)
        .within(job.tenant)
        .target(job.id, Some(&job.kind))
        .set("kind", job.kind.as_str())
        .set("stateBefore", job.state.name())
}
