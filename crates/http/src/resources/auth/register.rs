//! Operation `POST /auth/register`.

use actix_web::HttpRequest;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenantry_identity::vocabulary::{EMAIL_TAKEN, REGISTRATION_CLOSED, USER_REGISTERED, WEAK_PASSWORD};
use tenantry_identity::{
    IdentityError, Password, PasswordHasher, QuotaKind, Register, Registered, register as make, request_registration,
};
use tenantry_kernel::{Actor, EmailAddress, ErrorCode, Name};
use tenantry_service::{ChangeRequest, Scope, SystemReason};
use tenantry_tenancy::Slug;
use tenantry_tenancy::vocabulary::SLUG_TAKEN;
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Accepted, Anonymous, Body, Contract, FieldErrors, IntoCommand, Of, origin_of},
    resources::views::{TenantView, UserView},
    settings::RegistrationPolicy,
};

use super::tokens::{IssuedTokens, TokensView, Transport};

pub(crate) const OPERATION: Contract = Contract::public(
    Register::EVENTS,
    &[REGISTRATION_CLOSED, EMAIL_TAKEN, SLUG_TAKEN, WEAK_PASSWORD, ErrorCode::RATE_LIMITED],
)
.with_cookie();

/// The new user and the name of their tenant.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "email": "ada@example.com", "password": "correct horse battery staple", "name": "Ada Lovelace",
    "tenantName": "Analytical Engines"
}))]
pub(crate) struct NewRegistration {
    #[validate(length(max = 254))]
    #[schema(max_length = 254, format = "idn-email")]
    email: String,
    /// 8 to 128 characters. Passwords that are easy to guess are refused.
    #[schema(min_length = 8, max_length = 128, format = "password", value_type = String)]
    password: SecretString,
    #[validate(length(min = 1, max = 120))]
    #[schema(min_length = 1, max_length = 120)]
    name: String,
    #[validate(length(min = 1, max = 120))]
    #[schema(min_length = 1, max_length = 120)]
    tenant_name: String,
    /// Derived from the name if omitted.
    #[validate(length(min = 3, max = 63))]
    #[schema(min_length = 3, max_length = 63, pattern = "^[a-z0-9](-?[a-z0-9])*$")]
    tenant_slug: Option<String>,
    /// Transport of the refresh token: `body` (default) or `cookie`.
    #[validate(length(max = 10))]
    #[schema(max_length = 10, pattern = "^(body|cookie)$")]
    transport: Option<String>,
}

/// A parsed registration.
pub(crate) struct RegisterInput {
    email: EmailAddress,
    password: Password,
    name: Name,
    tenant_name: Name,
    tenant_slug: Option<Slug>,
    transport: Transport,
}

impl IntoCommand for NewRegistration {
    type Output = RegisterInput;

    fn parse(self, errors: &mut FieldErrors) -> Option<RegisterInput> {
        let email = errors.take("email", EmailAddress::parse(&self.email));
        let password = errors.take("password", Password::parse(self.password));
        let name = errors.take("name", Name::parse(&self.name));
        let tenant_name = errors.take("tenantName", Name::parse(&self.tenant_name));
        let tenant_slug = errors.take_if_any("tenantSlug", self.tenant_slug.as_deref().map(Slug::parse));
        let transport = Transport::parse(self.transport.as_deref(), errors);
        Some(RegisterInput {
            email: email?,
            password: password?,
            name: name?,
            tenant_name: tenant_name?,
            tenant_slug: tenant_slug?,
            transport: transport?,
        })
    }
}

impl RegisterInput {
    /// Returns the texts from which an acquaintance of the user could guess the password.
    fn own_words(&self) -> [&str; 4] {
        let slug = self.tenant_slug.as_ref().map_or("", Slug::as_str);
        [self.email.as_str(), self.name.as_str(), self.tenant_name.as_str(), slug]
    }
}

/// The user, their tenant, and the tokens of their session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegisteredView {
    user: UserView,
    tenant: TenantView,
    #[serde(flatten)]
    tokens: TokensView,
}

impl RegisteredView {
    /// Creates the response with the new user, their tenant and the tokens of their session.
    pub(super) fn answer(made: &Registered, issued: &IssuedTokens) -> Result<Answer, Failure> {
        let view = Self {
            user: UserView::from(&made.person),
            tenant: TenantView::from(&made.tenant),
            tokens: issued.view.clone(),
        };
        Ok(issued.on(Answer::created("tenant", &view)?))
    }
}

/// Register a user and a tenant that the user owns
///
/// If the installation requires confirmed addresses, the response is 202 for known and unknown addresses, and the
/// server sends an email.
#[utoipa::path(
    post,
    path = "/auth/register",
    tag = "auth",
    request_body = NewRegistration,
    responses(
        (status = 201, description = "The user is registered and signed in.", body = Of<RegisteredView>),
        (status = 202, description = "The server sends an email to the address.", body = Of<Accepted>),
    )
)]
pub(crate) async fn register(app: App, _: Anonymous, request: HttpRequest, body: Body) -> Result<Answer, Failure> {
    let is_verified = match app.settings.registration {
        RegistrationPolicy::Closed => return Err(Failure::new(REGISTRATION_CLOSED)),
        RegistrationPolicy::Open => false,
        RegistrationPolicy::Verified => true,
    };
    let wanted = body.parse::<NewRegistration>().await?;
    let origin = origin_of(&request);
    let guess = if is_verified { QuotaKind::RegistrationByMail(&wanted.email) } else { QuotaKind::Registration };
    app.proofs.consume(guess, &origin).await?;
    wanted.password.ensure_unguessable(&wanted.own_words())?;
    let hash = app.hasher.hash(wanted.password.clone()).await.map_err(IdentityError::from)?;
    let command = Register {
        email: wanted.email,
        name: wanted.name,
        hash,
        tenant_name: wanted.tenant_name,
        tenant_slug: wanted.tenant_slug,
    };
    let by = ChangeRequest::new(Actor::anonymous(origin), USER_REGISTERED);
    let transport = wanted.transport;
    let issuer = app.issuer.clone();
    app.change(by, Scope::System(SystemReason::Registration), async move |unit, actor, context| {
        if is_verified {
            request_registration(unit, actor, context, command.clone()).await?;
            return Answer::accepted();
        }
        let made = make(unit, actor, context, issuer.secrets(), issuer.policy(), command.clone()).await?;
        RegisteredView::answer(&made, &IssuedTokens::new(&issuer, &made.session, transport)?)
    })
    .await
}
