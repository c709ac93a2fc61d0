//! `POST /auth/login`

use actix_web::{HttpRequest, post};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenantry_identity::{
    Candidate, Guess, IdentityError, Password, PasswordHash, PasswordHasher, People, SignIn, Spent, Verdict, charge,
    complete_sign_in, default_tenant, find_candidate, give_back,
};
use tenantry_kernel::{Action, Actor, EmailAddress, ErrorCode, Origin, Outcome, TenantId, UserId};
use tenantry_store::{Scope, SystemReason};
use tenantry_tenancy::{Memberships, Slug, Tenant};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    change::Attempt,
    http::{
        body::{Body, Fields, Reads},
        openapi::{Of, Operation},
        origin::origin_of,
        tenant::TenantView,
    },
    refusals::Refused,
};

use super::{
    me::UserView,
    tokens::{TokensView, Transport},
};

pub(crate) const OPERATION: Operation = Operation::public(
    "login",
    SignIn::EVENTS,
    &[ErrorCode::InvalidCredentials, ErrorCode::TenantSuspended, ErrorCode::RateLimited],
)
.with_cookie();

const SCOPE: Scope = Scope::System(SystemReason::SignIn);

/// Who signs in, and to which organisation.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "email": "ada@example.com", "password": "correct horse battery staple" }))]
pub(crate) struct Credentials {
    #[validate(length(max = 254))]
    #[schema(max_length = 254, format = "email")]
    email: String,
    #[schema(max_length = 128, format = "password", value_type = String)]
    password: SecretString,
    /// The organisation's slug; without it the one used last.
    #[validate(length(max = 63))]
    #[schema(max_length = 63, nullable = false)]
    tenant_slug: Option<String>,
    /// `body` (default) or `cookie`: how the refresh token travels.
    #[validate(length(max = 10))]
    #[schema(max_length = 10, pattern = "^(body|cookie)$", nullable = false)]
    transport: Option<String>,
}

/// A try to sign in, taken apart. What cannot be a password or a slug is wrong like any other.
pub(crate) struct Try {
    email: EmailAddress,
    password: Option<Password>,
    slug: Option<Result<Slug, ()>>,
    transport: Transport,
}

impl Reads for Credentials {
    type Output = Try;

    fn read(self, fields: &mut Fields) -> Option<Try> {
        let email = fields.take("email", EmailAddress::parse(&self.email));
        let transport = Transport::read(self.transport.as_deref(), fields);
        Some(Try {
            email: email?,
            password: Password::parse(self.password).ok(),
            slug: self.tenant_slug.map(|slug| Slug::parse(&slug).map_err(|_| ())),
            transport: transport?,
        })
    }
}

/// The person, the organisation they are in now, those they could switch to, and their tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedInView {
    user: UserView,
    /// `null` when the person is in none that may be used.
    #[schema(required = true)]
    tenant: Option<TenantView>,
    tenants: Vec<TenantReference>,
    #[serde(flatten)]
    tokens: TokensView,
}

/// An organisation by id, name and slug.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantReference {
    #[schema(format = "uuid")]
    id: String,
    name: String,
    slug: String,
}

impl From<&Tenant> for TenantReference {
    fn from(tenant: &Tenant) -> Self {
        Self { id: tenant.id.to_string(), name: tenant.name.to_string(), slug: tenant.slug.to_string() }
    }
}

/// Sign in.
#[utoipa::path(
    tag = "auth",
    request_body = Credentials,
    responses((status = 200, description = "Signed in.", body = Of<SignedInView>))
)]
#[post("/auth/login")]
pub(crate) async fn login(app: App, request: HttpRequest, body: Body) -> Result<Answer, Failure> {
    let wanted = body.read::<Credentials>().await?;
    let origin = origin_of(&request);
    let outcome = sign_in(&app, &origin, &wanted).await;
    if let Err(failure) = &outcome
        && matches!(failure.code, ErrorCode::InvalidCredentials | ErrorCode::TenantSuspended | ErrorCode::RateLimited)
    {
        let by = Attempt { actor: Actor::anonymous(origin), action: Action::SignInFailed };
        note_failed(&app, Refused::new(&by, Outcome::Failed, failure), wanted);
    }
    outcome
}

async fn sign_in(app: &App, origin: &Origin, wanted: &Try) -> Result<Answer, Failure> {
    let spent = app.charge_guess(&wanted.email, origin).await?;
    let candidate = find_candidate(&mut app.store.read(SCOPE).await?, &wanted.email).await?;
    let (candidate, renewed_hash) = app.compare(candidate, wanted.password.clone()).await?;
    let slug = match &wanted.slug {
        None => None,
        Some(Ok(slug)) => Some(slug.clone()),
        Some(Err(())) => return Err(IdentityError::InvalidCredentials.into()),
    };
    let command = SignIn { candidate, slug, renewed_hash, spent };
    let transport = wanted.transport;
    let by = Attempt { actor: Actor::anonymous(origin.clone()), action: Action::SignInFailed };
    app.change(by, SCOPE, async move |app, unit, actor| {
        let done = complete_sign_in(unit, actor, &app.world, &app.secrets, &app.sessions, command.clone()).await?;
        let issued = app.issue(&done.session, transport)?;
        let answer = Answer::ok(&SignedInView {
            user: UserView::from(&done.person),
            tenant: done.tenant.as_ref().map(TenantView::from),
            tenants: done.tenants.iter().map(TenantReference::from).collect(),
            tokens: issued.view.clone(),
        })?;
        Ok(issued.on(answer))
    })
    .await
}

impl App {
    /// Pays for a guess at a password, in a unit of its own, before anything is hashed.
    pub(crate) async fn charge_guess(&self, email: &EmailAddress, origin: &Origin) -> Result<Option<Spent>, Failure> {
        let Some(policy) = self.guessing else { return Ok(None) };
        let mut unit = self.store.begin(SCOPE).await?;
        let charged = charge(&mut unit, &self.world, &policy, Guess::Password(email), origin.ip).await?;
        unit.commit().await?;
        charged.map(Some).map_err(Failure::too_many)
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
}

impl App {
    /// Gives a paid guess back, since it was right, in a unit of its own: counters are nobody's but the system's.
    pub(crate) async fn return_guess(&self, spent: &Spent) -> Result<(), Failure> {
        let mut unit = self.store.begin(SCOPE).await?;
        give_back(&mut unit, &self.world, spent).await?;
        unit.commit().await?;
        Ok(())
    }
}

/// The account that a failed sign-in was for, and the tenant that success would have entered.
async fn account_of(app: &App, wanted: &Try) -> Result<Option<(UserId, String, Option<TenantId>)>, Failure> {
    let mut unit = app.store.read(SCOPE).await?;
    let Some(person) = unit.person_by_email(&wanted.email).await? else { return Ok(None) };
    let memberships = unit.tenants_of(person.id).await?;
    let tenant = match &wanted.slug {
        Some(Ok(slug)) => memberships.iter().find(|(_, tenant)| tenant.slug == *slug).map(|(_, tenant)| tenant.id),
        Some(Err(())) => None,
        None => default_tenant(&memberships).map(|tenant| tenant.id),
    };
    Ok(Some((person.id, person.name.to_string(), tenant)))
}

/// Notes a failed sign-in beside the answer, so that its time does not tell whether there is such an account. It
/// belongs to the tenant that success would have entered.
fn note_failed(app: &App, refused: Refused, wanted: Try) {
    let noting = app.changes.track_future({
        let app = app.clone();
        async move {
            let refused = match account_of(&app, &wanted).await {
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
            app.refusals.note(&app, refused).await;
        }
    });
    actix_web::rt::spawn(noting);
}
