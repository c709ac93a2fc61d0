//! What is done for each kind of job.

use std::error::Error;
use tenantry_identity::{
    EmailChangeRequested, IdentityError, Letter, MailerError, Outgoing, RegistrationRequested, ResetRequested,
    VerificationRequested, prepare_email_change, prepare_registration, prepare_reset, prepare_verification,
};
use tenantry_jobs::{Claimed, Job, Kind, RetryPolicy, Worklist};
use tenantry_kernel::{Actor, Coded, RequestId, TraceContext};
use tenantry_store::Unit;

use crate::App;

use super::SCOPE;

/// How a job was done.
pub(super) enum Done {
    /// With its completion, in one unit.
    Completed,
    /// Outside of the database; that it was done is yet to be noted.
    Outside,
}

/// Why a job was not done.
pub(super) struct JobFailure {
    pub(super) cause: Box<dyn Error + Send + Sync>,
    /// Whether trying again cannot help.
    pub(super) is_hopeless: bool,
}

impl JobFailure {
    pub(super) fn again(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), is_hopeless: false }
    }

    fn hopeless(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), is_hopeless: true }
    }
}

impl From<IdentityError> for JobFailure {
    fn from(error: IdentityError) -> Self {
        Self::again(error)
    }
}

impl From<tenantry_kernel::StoreError> for JobFailure {
    fn from(error: tenantry_kernel::StoreError) -> Self {
        Self::again(error)
    }
}

/// Does the job.
pub(super) async fn handle(app: &App, claimed: &Claimed) -> Result<Done, JobFailure> {
    let job = &claimed.job;
    match job.kind.as_str() {
        Letter::NAME => send_letter(app, job).await,
        RegistrationRequested::NAME => {
            let words: RegistrationRequested = words(job)?;
            in_unit(app, claimed, async |unit, actor| {
                prepare_registration(unit, actor, &app.world, &app.secrets, words.clone()).await
            })
            .await
        }
        ResetRequested::NAME => {
            let words: ResetRequested = words(job)?;
            in_unit(app, claimed, async |unit, actor| {
                prepare_reset(unit, actor, &app.world, &app.secrets, words.clone()).await
            })
            .await
        }
        VerificationRequested::NAME => {
            let words: VerificationRequested = words(job)?;
            in_unit(app, claimed, async |unit, actor| {
                prepare_verification(unit, actor, &app.world, &app.secrets, words).await
            })
            .await
        }
        EmailChangeRequested::NAME => {
            let words: EmailChangeRequested = words(job)?;
            in_unit(app, claimed, async |unit, actor| {
                prepare_email_change(unit, actor, &app.world, &app.secrets, words.clone()).await
            })
            .await
        }
        // A newer program may have enqueued it, and may be there to do it.
        _ => Err(JobFailure::again("this program knows no job of that kind")),
    }
}

/// When a job of that kind is tried again.
pub(super) fn retry_policy_of(kind: &str) -> RetryPolicy {
    match kind {
        Letter::NAME => Letter::RETRY,
        _ => RegistrationRequested::RETRY,
    }
}

fn words<K: Kind>(job: &Job) -> Result<K, JobFailure> {
    job.words().map_err(JobFailure::hopeless)
}

/// Does what lies in the database alone together with its completion: once, whatever happens.
async fn in_unit(
    app: &App,
    claimed: &Claimed,
    work: impl AsyncFn(&mut Unit, &Actor) -> Result<(), IdentityError>,
) -> Result<Done, JobFailure> {
    const TRIES: u32 = 5;
    let trace = claimed.job.trace.as_deref().and_then(|trace| trace.parse::<TraceContext>().ok());
    let actor = Actor::system(trace.unwrap_or_else(|| RequestId::new(&app.world).into()));
    let mut tries = 1;
    loop {
        let mut unit = app.store.begin(SCOPE).await?;
        match work(&mut unit, &actor).await {
            Ok(()) => {}
            Err(error) if error.is_collision() && tries < TRIES => {
                tries += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        if !unit.complete_job(claimed.claim, app.world.now()).await? {
            return Err(JobFailure::again("its lease had ended"));
        }
        app.announce(&unit.commit().await?);
        return Ok(Done::Completed);
    }
}

async fn send_letter(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let letter: Letter = words(job)?;
    let link = match letter.link {
        None => None,
        Some(purpose) => {
            let secret = job.open_secret(&app.secrets).map_err(JobFailure::hopeless)?;
            let secret = secret.filter(|secret| app.world.now() < secret.expires_at);
            let secret = secret.ok_or_else(|| JobFailure::hopeless("the time of its link is over"))?;
            Some(app.link_pages.link(purpose, &secret.text))
        }
    };
    let outgoing = Outgoing { job: job.id, written_at: job.created_at, letter, link };
    match app.mailer.send(&outgoing).await {
        Ok(()) => Ok(Done::Outside),
        Err(error @ MailerError::Temporary(_)) => Err(JobFailure::again(error)),
        Err(error @ MailerError::Permanent(_)) => Err(JobFailure::hopeless(error)),
    }
}
