//! Proofs of identity, for every request that must show who sends it. This file holds what all methods of proof share;
//! each method is one file beside [`password`].

mod password;
mod queue;

use std::{sync::Arc, time::Duration};
use tenantry_crypto::Argon2Pool;
use tenantry_identity::vocabulary::{INVALID_CREDENTIALS, SIGN_IN_FAILED};
use tenantry_identity::{Guess, GuessPolicy, GuessRefusal, People, QuotaKind, consume, default_tenant};
use tenantry_kernel::{Actor, Context, EmailAddress, Origin, Outcome, StoreError, TenantId, UserId};
use tenantry_store::{Scope, SystemReason, Unit};
use tenantry_tenancy::{Memberships, Slug};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

use crate::{
    changes::ChangeRequest,
    error::ServiceError,
    log_context,
    reader::Reader,
    refusals::{Refusals, Refused},
    transactions::Transactions,
};

use queue::{CounterQueues, QueueTicket};

const REASON: SystemReason = SystemReason::SignIn;
const SCOPE: Scope = Scope::System(REASON);

/// An attempt to sign in.
#[derive(Debug, Clone)]
pub struct LoginAttempt {
    /// The address of the account.
    pub email: EmailAddress,
    /// The requested tenant, if the client named one; `Err` where the text cannot be a slug.
    pub slug: Option<Result<Slug, ()>>,
}

/// Creates proofs of identity and limits how often clients may try. Cloning is cheap.
#[derive(Clone)]
pub struct Proofs(Arc<Parts>);

struct Parts {
    reader: Reader,
    transactions: Transactions,
    hasher: Arc<Argon2Pool>,
    policy: Option<GuessPolicy>,
    refusals: Arc<Refusals>,
    tasks: TaskTracker,
    context: Context,
    queues: CounterQueues,
}

impl Proofs {
    /// Maximum time for which a guess waits while only guesses in flight are in its way.
    const WAIT: Duration = Duration::from_secs(2);
    /// Time between two looks at the counters, plus up to half of it at random.
    const PAUSE: Duration = Duration::from_millis(80);
    /// Seconds after which the client of a guess that waited in vain may try again.
    const IN_FLIGHT_SECONDS: u64 = 1;

    /// Limits guesses by `policy`; without a policy, guesses are not limited. Tasks that record failed sign-ins after
    /// the response are tracked in `tasks`.
    pub fn new(
        reader: Reader,
        transactions: Transactions,
        hasher: Arc<Argon2Pool>,
        policy: Option<GuessPolicy>,
        refusals: Arc<Refusals>,
        tasks: TaskTracker,
        context: Context,
    ) -> Self {
        Self(Arc::new(Parts {
            reader,
            transactions,
            hasher,
            policy,
            refusals,
            tasks,
            context,
            queues: CounterQueues::default(),
        }))
    }

    /// Consumes quota for an attempt, in a unit of its own; does nothing where attempts are not limited. Fails with
    /// `rate_limited` when the quota is used up. A refused attempt consumes nothing.
    pub async fn consume(&self, attempt: QuotaKind<'_>, origin: &Origin) -> Result<(), ServiceError> {
        let Some(policy) = self.0.policy else { return Ok(()) };
        let consume = async |unit: &mut Unit| {
            let consumed = consume(unit, &self.0.context, &policy, attempt, origin.ip).await?;
            consumed.map_err(|wait| too_many(wait.retry_after_seconds))
        };
        self.0.transactions.housekeeping(REASON, consume).await
    }

    /// Begins a guess of this account's password, in a unit of its own. Returns `None` where guesses are not limited.
    /// While only guesses in flight are in the way, the guess waits for up to [`Self::WAIT`]. Fails with `rate_limited`
    /// when a limit is reached, or when the wait was in vain.
    ///
    /// Of the guesses that wait for one counter in this process, only the first looks at it, so that a crowd costs the
    /// database no more than one guess that waits.
    async fn begin_guess(&self, email: &EmailAddress, origin: &Origin) -> Result<Option<Guess>, ServiceError> {
        let Some(policy) = self.0.policy else { return Ok(None) };
        let until = Instant::now() + Self::WAIT;
        let mut ticket: Option<QueueTicket> = None;
        loop {
            let counter = match self.try_guess(&policy, email, origin).await? {
                Ok(guess) => return Ok(Some(guess)),
                Err(GuessRefusal::LimitReached(wait)) => return Err(too_many(wait.retry_after_seconds)),
                Err(GuessRefusal::InFlight { counter }) => counter,
            };
            let next = async {
                match ticket {
                    Some(ticket) if ticket.is_at(&counter) => {
                        let spread = u32::from(self.0.context.random::<1>()[0]) * Self::PAUSE / 512;
                        sleep(Self::PAUSE + spread).await;
                        ticket
                    }
                    elsewhere => {
                        drop(elsewhere);
                        self.0.queues.take(counter).await
                    }
                }
            };
            ticket = Some(timeout_at(until, next).await.map_err(|_| too_many(Self::IN_FLIGHT_SECONDS))?);
        }
    }

    async fn try_guess(
        &self,
        policy: &GuessPolicy,
        email: &EmailAddress,
        origin: &Origin,
    ) -> Result<Result<Guess, GuessRefusal>, StoreError> {
        let mut unit = self.0.transactions.begin(SCOPE).await?;
        let begun = Guess::begin(&mut unit, &self.0.context, policy, email, origin.ip).await?;
        if begun.is_ok() {
            self.0.transactions.commit(unit).await?;
        }
        Ok(begun)
    }

    /// Ends the guess of a request that failed. A wrong password counts, and so does every other refusal that the
    /// client cannot tell from one. A guess that can be neither counted nor released ends by itself a little later.
    ///
    /// Fails when a wrong password cannot be counted: the client must not learn then that it is wrong.
    pub async fn settle(&self, guess: Option<&Guess>, failure: &ServiceError) -> Result<(), ServiceError> {
        let Some(guess) = guess else { return Ok(()) };
        if failure.code == INVALID_CREDENTIALS {
            let fail = async |unit: &mut Unit| guess.fail(unit, &self.0.context).await;
            let failed: Result<(), StoreError> = self.0.transactions.housekeeping(REASON, fail).await;
            return Ok(failed?);
        }
        let released: Result<(), StoreError> =
            self.0.transactions.housekeeping(REASON, async |unit: &mut Unit| guess.release(unit).await).await;
        if let Err(error) = released {
            tracing::debug!(%error, "a guess was not released; it ends by itself");
        }
        Ok(())
    }

    /// Records a wrong password as a failed sign-in; other failures are not recorded. See
    /// [`Proofs::note_failed_sign_in`].
    pub fn note_wrong_password(&self, failure: &ServiceError, origin: &Origin, attempt: LoginAttempt) {
        if failure.code == INVALID_CREDENTIALS {
            self.note_failed_sign_in(failure, origin, attempt);
        }
    }

    /// Records a failed sign-in in a separate task. The response time therefore does not reveal whether the account
    /// exists. The entry belongs to the tenant that the sign-in would have entered. Must be called within a `LocalSet`.
    pub fn note_failed_sign_in(&self, failure: &ServiceError, origin: &Origin, attempt: LoginAttempt) {
        let request = ChangeRequest::new(Actor::anonymous(origin.clone()), SIGN_IN_FAILED);
        let refused = Refused::new(&request, Outcome::Failed, failure);
        let proofs = self.clone();
        let noting = self.0.tasks.track_future(async move {
            let refused = match proofs.account_of(&attempt).await {
                Ok(Some((id, name, tenant))) => refused.of_account(id, &name).within(tenant),
                Ok(None) => refused,
                Err(error) => {
                    tracing::warn!(%error, "the account of a failed sign-in could not be looked up");
                    refused
                }
            };
            proofs.0.refusals.note(refused).await;
        });
        tokio::task::spawn_local(log_context::inherit(noting));
    }

    /// Returns the account of a failed sign-in and the tenant that a successful one would have entered.
    async fn account_of(
        &self,
        attempt: &LoginAttempt,
    ) -> Result<Option<(UserId, String, Option<TenantId>)>, StoreError> {
        let mut unit = self.0.reader.open(SCOPE).await?;
        let Some(person) = unit.person_by_email(&attempt.email).await? else { return Ok(None) };
        let memberships = unit.tenants_of(person.id).await?;
        let tenant = match &attempt.slug {
            Some(Ok(slug)) => memberships.iter().find(|(_, tenant)| tenant.slug == *slug).map(|(_, tenant)| tenant.id),
            Some(Err(())) => None,
            None => default_tenant(&memberships).map(|tenant| tenant.id),
        };
        Ok(Some((person.id, person.name.to_string(), tenant)))
    }
}

fn too_many(retry_after_seconds: u64) -> ServiceError {
    metrics::counter!("tenantry_guesses_refused_total").increment(1);
    ServiceError::too_many(retry_after_seconds)
}
