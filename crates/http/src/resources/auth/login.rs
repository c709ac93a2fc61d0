//! Operation `POST /auth/login`.

use actix_web::HttpRequest;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenantry_identity::vocabulary::{INVALID_CREDENTIALS, SIGN_IN_FAILED};
use tenantry_identity::{IdentityError, Proof, SignIn, TypedPassword, complete_sign_in};
use tenantry_kernel::{Actor, EmailAddress, ErrorCode, Origin};
use tenantry_service::{ChangeRequest, LoginAttempt, Scope, SystemReason};
use tenantry_tenancy::Slug;
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Anonymous, Body, Contract, FieldErrors, IntoCommand, Of, origin_of},
    resources::views::{TenantReference, TenantView, UserView},
};

use super::tokens::{IssuedTokens, TokensView, Transport};

const SCOPE: Scope = Scope::System(SystemReason::SignIn);

pub(crate) const OPERATION: Contract =
    Contract::public(SignIn::EVENTS, &[INVALID_CREDENTIALS, ErrorCode::TENANT_SUSPENDED, ErrorCode::RATE_LIMITED])
        .with_cookie();

/// The user's credentials, and the tenant to sign in to.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "email": "ada@example.com", "password": "correct horse battery staple" }))]
pub(crate) struct Credentials {
    #[validate(length(max = 254))]
    #[schema(max_length = 254, format = "idn-email")]
    email: String,
    #[schema(max_length = 128, format = "password", value_type = String)]
    password: SecretString,
    /// Slug of the tenant. Default: the tenant that the user used last.
    #[validate(length(max = 63))]
    #[schema(max_length = 63)]
    tenant_slug: Option<String>,
    /// Transport of the refresh token: `body` (default) or `cookie`.
    #[validate(length(max = 10))]
    #[schema(max_length = 10, pattern = "^(body|cookie)$")]
    transport: Option<String>,
}

/// A parsed attempt to sign in. A malformed password or slug is treated like a wrong one.
pub(crate) struct LoginInput {
    email: EmailAddress,
    password: Option<TypedPassword>,
    slug: Option<Result<Slug, ()>>,
    transport: Transport,
}

impl IntoCommand for Credentials {
    type Output = LoginInput;

    fn parse(self, errors: &mut FieldErrors) -> Option<LoginInput> {
        let email = errors.take("email", EmailAddress::parse(&self.email));
        let transport = Transport::parse(self.transport.as_deref(), errors);
        Some(LoginInput {
            email: email?,
            password: TypedPassword::parse(self.password),
            slug: self.tenant_slug.map(|slug| Slug::parse(&slug).map_err(|_| ())),
            transport: transport?,
        })
    }
}

/// The user, the session's tenant, the tenants to which the user can switch, and the tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedInView {
    user: UserView,
    /// `null` if the user is an active member of no active tenant.
    #[schema(required = true)]
    tenant: Option<TenantView>,
    tenants: Vec<TenantReference>,
    #[serde(flatten)]
    tokens: TokensView,
}

/// Sign in with email address and password
#[utoipa::path(
    post,
    path = "/auth/login",
    tag = "auth",
    request_body = Credentials,
    responses((status = 200, description = "The user is signed in.", body = Of<SignedInView>))
)]
pub(crate) async fn login(app: App, _: Anonymous, request: HttpRequest, body: Body) -> Result<Answer, Failure> {
    let wanted = body.parse::<Credentials>().await?;
    let origin = origin_of(&request);
    let outcome = sign_in(&app, &origin, &wanted).await;
    if let Err(failure) = &outcome
        && matches!(failure.code, INVALID_CREDENTIALS | ErrorCode::TENANT_SUSPENDED | ErrorCode::RATE_LIMITED)
    {
        let attempt = LoginAttempt { email: wanted.email, slug: wanted.slug };
        app.proofs.note_failed_sign_in(failure, &origin, attempt);
    }
    outcome
}

async fn sign_in(app: &App, origin: &Origin, wanted: &LoginInput) -> Result<Answer, Failure> {
    let proof = app.proofs.password_of_address(&wanted.email, wanted.password.clone(), origin).await?;
    let guess = proof.guess.clone();
    app.settled(guess, start_session(app, origin, wanted, proof).await).await
}

async fn start_session(app: &App, origin: &Origin, wanted: &LoginInput, proof: Proof) -> Result<Answer, Failure> {
    let slug = match &wanted.slug {
        None => None,
        Some(Ok(slug)) => Some(slug.clone()),
        Some(Err(())) => return Err(IdentityError::InvalidCredentials.into()),
    };
    let command = SignIn { proof, slug };
    let transport = wanted.transport;
    let by = ChangeRequest::new(Actor::anonymous(origin.clone()), SIGN_IN_FAILED);
    let issuer = app.issuer.clone();
    app.change(by, SCOPE, async move |unit, actor, context| {
        let done = complete_sign_in(unit, actor, context, issuer.secrets(), issuer.policy(), command.clone()).await?;
        let issued = IssuedTokens::new(&issuer, &done.session, transport)?;
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
