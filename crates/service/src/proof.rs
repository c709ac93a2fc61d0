//! Proofs of identity, for every request that must show who sends it. This file holds what all methods of proof share;
//! each method is one file beside [`password`].

mod password;

use std::sync::Arc;
use tenantry_crypto::Argon2Pool;
use tenantry_identity::vocabulary::{INVALID_CREDENTIALS, SIGN_IN_FAILED};
use tenantry_identity::{ConsumedQuota, GuessKind, GuessPolicy, People, Proof, consume, default_tenant, refund};
use tenantry_kernel::{Actor, Context, EmailAddress, Origin, Outcome, StoreError, TenantId, UserId};
use tenantry_store::{Scope, SystemReason, Unit};
use tenantry_tenancy::{Memberships, Slug};
use tokio_util::task::TaskTracker;

use crate::{
    changes::ChangeRequest,
    error::ServiceError,
    log_context,
    reader::Reader,
    refusals::{Refusals, Refused},
    transactions::Transactions,
};

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
}

impl Proofs {
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
        Self(Arc::new(Parts { reader, transactions, hasher, policy, refusals, tasks, context }))
    }

    /// Consumes quota for a guess, in a unit of its own. Returns `None` where guesses are not limited. Fails with
    /// `rate_limited` when the quota is used up.
    pub async fn consume(&self, guess: GuessKind<'_>, origin: &Origin) -> Result<Option<ConsumedQuota>, ServiceError> {
        let Some(policy) = self.0.policy else { return Ok(None) };
        let consume = async |unit: &mut Unit| consume(unit, &self.0.context, &policy, guess, origin.ip).await;
        let consumed = self.0.transactions.housekeeping(REASON, consume).await?;
        consumed.map(Some).map_err(|wait| {
            metrics::counter!("tenantry_guesses_refused_total").increment(1);
            ServiceError::too_many(wait.retry_after_seconds)
        })
    }

    /// Refunds the guess of a proof in a unit of its own, for commands whose unit may not touch the counters.
    async fn refunded(&self, proof: Proof) -> Result<Proof, ServiceError> {
        if let Some(consumed) = &proof.consumed {
            let refund = async |unit: &mut Unit| refund(unit, &self.0.context, consumed).await;
            let refunded: Result<(), StoreError> = self.0.transactions.housekeeping(REASON, refund).await;
            refunded?;
        }
        Ok(Proof { consumed: None, ..proof })
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
