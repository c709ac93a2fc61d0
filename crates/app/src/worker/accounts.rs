//! Jobs that look accounts up: their effect lies in the database alone, and so they are done exactly once.

use async_trait::async_trait;
use tenantry_identity::{
    EmailChangeRequested, IdentityError, RegistrationRequested, ResetRequested, VerificationRequested,
    prepare_email_change, prepare_registration, prepare_reset, prepare_verification,
};
use tenantry_jobs::{Done, Handler, JobFailure, Kind, Try};
use tenantry_kernel::{Actor, Coded, RequestId, TraceContext};
use tenantry_store::Unit;

use super::SCOPE;
use crate::App;

/// How often a job is tried at once when others come between.
const TRIES: u32 = 5;

/// Does what a person has asked for without being told whether there is an account.
pub(super) struct Accounts(pub(super) App);

/// What is to be done in the unit that also completes the job.
#[async_trait]
trait Prepare: Kind + Clone + Send + Sync {
    async fn prepare(self, app: &App, unit: &mut Unit, actor: &Actor) -> Result<(), IdentityError>;
}

#[async_trait]
impl Prepare for RegistrationRequested {
    async fn prepare(self, app: &App, unit: &mut Unit, actor: &Actor) -> Result<(), IdentityError> {
        prepare_registration(unit, actor, &app.world, &*app.secrets, self).await
    }
}

#[async_trait]
impl Prepare for ResetRequested {
    async fn prepare(self, app: &App, unit: &mut Unit, actor: &Actor) -> Result<(), IdentityError> {
        prepare_reset(unit, actor, &app.world, &*app.secrets, self).await
    }
}

#[async_trait]
impl Prepare for VerificationRequested {
    async fn prepare(self, app: &App, unit: &mut Unit, actor: &Actor) -> Result<(), IdentityError> {
        prepare_verification(unit, actor, &app.world, &*app.secrets, self).await
    }
}

#[async_trait]
impl Prepare for EmailChangeRequested {
    async fn prepare(self, app: &App, unit: &mut Unit, actor: &Actor) -> Result<(), IdentityError> {
        prepare_email_change(unit, actor, &app.world, &*app.secrets, self).await
    }
}

#[async_trait]
impl<K: Prepare + 'static> Handler<K> for Accounts {
    async fn run(&self, words: K, of: &Try) -> Result<Done, JobFailure> {
        let Self(app) = self;
        let trace = of.job.trace.as_deref().and_then(|trace| trace.parse::<TraceContext>().ok());
        let actor = Actor::system(trace.unwrap_or_else(|| RequestId::new(&app.world).into()));
        let mut tries = 1;
        loop {
            let mut unit = app.transactions.begin(SCOPE).await?;
            match words.clone().prepare(app, &mut unit, &actor).await {
                Ok(()) => {}
                Err(error) if error.is_collision() && tries < TRIES => {
                    tries += 1;
                    continue;
                }
                Err(error) => return Err(JobFailure::again(error)),
            }
            let done = of.complete_in(&mut unit).await?;
            app.transactions.commit(unit).await?;
            return Ok(done);
        }
    }
}
