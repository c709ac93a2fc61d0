//! Guesses at passwords, wherever one is asked for: paid for before they are compared, and noted when they are wrong.

use tenantry_identity::{
    Candidate, Guess, IdentityError, Password, PasswordHash, PasswordHasher, People, Spent, Verdict, charge,
    default_tenant, give_back,
};
use tenantry_kernel::{EmailAddress, Origin, TenantId, UserId};
use tenantry_service::{Refused, Scope, SystemReason, Unit, log_context};
use tenantry_tenancy::{Memberships, Slug};

use crate::{App, Failure};

pub(super) const SCOPE: Scope = Scope::System(SystemReason::SignIn);

impl App {
    /// Pays for a guess at a password, in a unit of its own, before anything is hashed.
    pub(crate) async fn charge_guess(&self, email: &EmailAddress, origin: &Origin) -> Result<Option<Spent>, Failure> {
        self.charge(Guess::Password(email), origin).await
    }

    /// Charges something that may be done only so often.
    pub(crate) async fn charge(&self, guess: Guess<'_>, origin: &Origin) -> Result<Option<Spent>, Failure> {
        let Some(policy) = self.guessing else { return Ok(None) };
        let charge = async |unit: &mut Unit| charge(unit, &self.world, &policy, guess, origin.ip).await;
        let charged = self.transactions.housekeeping(SystemReason::SignIn, charge).await?;
        charged.map(Some).map_err(|wait| {
            metrics::counter!("tenantry_guesses_refused_total").increment(1);
            Failure::too_many(wait.retry_after_seconds)
        })
    }

    /// Compares a password with what is kept of the candidate's. It costs one hash whether there is a candidate or
    /// not. The second hash is a new one, when the kept one was made with weaker parameters than today's.
    pub(crate) async fn compare(
        &self,
        candidate: Option<Candidate>,
        password: Option<Password>,
    ) -> Result<(Candidate, Option<PasswordHash>), Failure> {
        let wrong = || Failure::from(IdentityError::InvalidCredentials);
        let Some(password) = password else { return Err(wrong()) };
        let kept = candidate.as_ref().map(|candidate| candidate.hash.clone());
        let verdict = self.hasher.verify(password.clone(), kept).await.map_err(IdentityError::from)?;
        let candidate = candidate.ok_or_else(wrong)?;
        match verdict {
            Verdict::Wrong => Err(wrong()),
            Verdict::Right => Ok((candidate, None)),
            Verdict::RightButOutdated => {
                let hash = self.hasher.hash(password).await.map_err(IdentityError::from)?;
                Ok((candidate, Some(hash)))
            }
        }
    }

    /// Gives a paid guess back, since it was right, in a unit of its own: counters are nobody's but the system's.
    pub(crate) async fn return_guess(&self, spent: &Spent) -> Result<(), Failure> {
        let give_back = async |unit: &mut Unit| give_back(unit, &self.world, spent).await;
        Ok(self.transactions.housekeeping(SystemReason::SignIn, give_back).await?)
    }
}

/// What somebody tried to enter.
pub(crate) struct Tried {
    pub(crate) email: EmailAddress,
    /// The tenant asked for, if one was; what cannot be a slug is none.
    pub(crate) slug: Option<Result<Slug, ()>>,
}

/// The account that a failed sign-in was for, and the tenant that success would have entered.
async fn account_of(app: &App, tried: &Tried) -> Result<Option<(UserId, String, Option<TenantId>)>, Failure> {
    let mut unit = app.read(SCOPE).await?;
    let Some(person) = unit.person_by_email(&tried.email).await? else { return Ok(None) };
    let memberships = unit.tenants_of(person.id).await?;
    let tenant = match &tried.slug {
        Some(Ok(slug)) => memberships.iter().find(|(_, tenant)| tenant.slug == *slug).map(|(_, tenant)| tenant.id),
        Some(Err(())) => None,
        None => default_tenant(&memberships).map(|tenant| tenant.id),
    };
    Ok(Some((person.id, person.name.to_string(), tenant)))
}

/// Notes a failed sign-in beside the answer, so that its time does not tell whether there is such an account. It
/// belongs to the tenant that success would have entered.
pub(crate) fn note_failed(app: &App, refused: Refused, tried: Tried) {
    let noting = app.tasks.track_future({
        let app = app.clone();
        async move {
            let refused = match account_of(&app, &tried).await {
                Ok(Some((id, name, tenant))) => refused.of_account(id, &name).within(tenant),
                Ok(None) => refused,
                Err(failure) => {
                    tracing::warn!(
                        code = failure.code.name(),
                        "the account of a failed sign-in could not be looked up"
                    );
                    refused
                }
            };
            app.refusals.note(refused).await;
        }
    });
    actix_web::rt::spawn(log_context::inherit(noting));
}
