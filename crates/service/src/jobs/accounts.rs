//! Jobs that look accounts up. Their only effect is in the database, so each is done exactly once.

use async_trait::async_trait;
use std::sync::Arc;
use tenantry_crypto::ServerSecrets;
use tenantry_identity::{
    EmailChangeRequested, IdentityError, RegistrationRequested, ResetRequested, VerificationRequested,
    prepare_email_change, prepare_registration, prepare_reset, prepare_verification,
};
use tenantry_jobs::{Done, Handler, JobAttempt, JobFailure, Kind};
use tenantry_kernel::{Actor, Coded, Context, RequestId, StoreError, TraceContext};
use tenantry_store::{SystemReason, Unit};

use crate::transactions::Transactions;

/// Maximum number of immediate attempts when concurrent changes collide.
const TRIES: u32 = 5;

/// Carries out requests whose response must not reveal whether an account exists.
#[derive(Clone)]
pub struct Accounts {
    /// Opens and commits the units.
    pub transactions: Transactions,
    /// Decrypts and encrypts the secrets of jobs.
    pub secrets: Arc<ServerSecrets>,
    /// Clock and random source.
    pub context: Context,
}

/// Work that runs in the unit that also completes the job.
#[async_trait]
trait Prepare: Kind + Clone + Send + Sync {
    async fn prepare(self, by: &Accounts, unit: &mut Unit, actor: &Actor) -> Result<(), IdentityError>;
}

#[async_trait]
impl Prepare for RegistrationRequested {
    async fn prepare(self, by: &Accounts, unit: &mut Unit, actor: &Actor) -> Result<(), IdentityError> {
        prepare_registration(unit, actor, &by.context, &*by.secrets, self).await
    }
}

#[async_trait]
impl Prepare for ResetRequested {
    async fn prepare(self, by: &Accounts, unit: &mut Unit, actor: &Actor) -> Result<(), IdentityError> {
        prepare_reset(unit, actor, &by.context, &*by.secrets, self).await
    }
}

#[async_trait]
impl Prepare for VerificationRequested {
    async fn prepare(self, by: &Accounts, unit: &mut Unit, actor: &Actor) -> Result<(), IdentityError> {
        prepare_verification(unit, actor, &by.context, &*by.secrets, self).await
    }
}

#[async_trait]
impl Prepare for EmailChangeRequested {
    async fn prepare(self, by: &Accounts, unit: &mut Unit, actor: &Actor) -> Result<(), IdentityError> {
        prepare_email_change(unit, actor, &by.context, &*by.secrets, self).await
    }
}

/// The reason why a job was not done.
enum NotDone {
    /// The preparation failed.
    Unprepared(IdentityError),
    /// The job could not be completed.
    Incomplete(JobFailure),
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        Self::Incomplete(error.into())
    }
}

#[async_trait]
impl<K: Prepare + 'static> Handler<K> for Accounts {
    async fn run(&self, payload: K, of: &JobAttempt) -> Result<Done, JobFailure> {
        let trace = of.job.trace.as_deref().and_then(|trace| trace.parse::<TraceContext>().ok());
        let actor = Actor::system(trace.unwrap_or_else(|| RequestId::new(&self.context).into()));
        let mut tries = 1;
        loop {
            let work = async |unit: &mut Unit| {
                payload.clone().prepare(self, unit, &actor).await.map_err(NotDone::Unprepared)?;
                of.complete_in(unit).await.map_err(NotDone::Incomplete)
            };
            match self.transactions.housekeeping(SystemReason::Worker, work).await {
                Ok(done) => return Ok(done),
                Err(NotDone::Unprepared(error)) if error.is_collision() && tries < TRIES => tries += 1,
                Err(NotDone::Unprepared(error)) => return Err(JobFailure::retry(error)),
                Err(NotDone::Incomplete(failure)) => return Err(failure),
            }
        }
    }
}
