//! Operation `POST /auth/register/confirm`.

use actix_web::HttpRequest;
use secrecy::SecretString;
use serde::Deserialize;
use tenantry_identity::vocabulary::{INVALID_CREDENTIALS, LINK_INVALID, USER_REGISTERED};
use tenantry_identity::{
    ConfirmRegistration, IdentityError, LinkToken, TypedPassword, confirm_registration as confirm, find_registration,
};
use tenantry_kernel::{Actor, ErrorCode};
use tenantry_service::{ChangeRequest, Scope, SystemReason};
use tenantry_tenancy::vocabulary::SLUG_TAKEN;
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Anonymous, Body, Contract, FieldErrors, IntoCommand, Of, origin_of},
};

use super::{
    register::RegisteredView,
    tokens::{IssuedTokens, Transport},
};

pub(crate) const OPERATION: Contract = Contract::public(
    ConfirmRegistration::EVENTS,
    &[INVALID_CREDENTIALS, SLUG_TAKEN, LINK_INVALID, ErrorCode::RATE_LIMITED],
)
.with_cookie();

const SCOPE: Scope = Scope::System(SystemReason::Link);

/// The token of the link from the email, and the password of the registration.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "token": "kZp3vV0Jr1m8Q5h2Yx7dWcT9bNf4sLgEaUoKiRtMhPw", "password": "correct horse battery staple"
}))]
pub(crate) struct Confirmation {
    #[schema(min_length = 1, max_length = 200, value_type = String)]
    token: SecretString,
    #[schema(max_length = 128, format = "password", value_type = String)]
    password: SecretString,
    /// Transport of the refresh token: `body` (default) or `cookie`.
    #[validate(length(max = 10))]
    #[schema(max_length = 10, pattern = "^(body|cookie)$")]
    transport: Option<String>,
}

impl IntoCommand for Confirmation {
    /// `None` for a malformed token or password, which is treated like a wrong one.
    type Output = (Option<[u8; 32]>, Option<TypedPassword>, Transport);

    fn parse(self, errors: &mut FieldErrors) -> Option<Self::Output> {
        let transport = Transport::parse(self.transport.as_deref(), errors)?;
        Some((LinkToken::hash_of(&self.token), TypedPassword::parse(self.password), transport))
    }
}

/// Confirm a registration with the token of a link, and sign in
#[utoipa::path(
    post,
    path = "/auth/register/confirm",
    tag = "auth",
    request_body = Confirmation,
    responses((status = 201, description = "The user is registered and signed in.", body = Of<RegisteredView>))
)]
pub(crate) async fn confirm_registration(
    app: App,
    _: Anonymous,
    request: HttpRequest,
    body: Body,
) -> Result<Answer, Failure> {
    let (token_hash, password, transport) = body.parse::<Confirmation>().await?;
    let token_hash = token_hash.ok_or(IdentityError::LinkInvalid)?;
    let origin = origin_of(&request);
    let registration = find_registration(&mut app.read(SCOPE).await?, &app.context, &token_hash).await?;
    let proof = app.proofs.password_of_registration(&registration, password, &origin).await?;
    let guess = proof.guess.clone();
    let command = ConfirmRegistration { token_hash, proof, ip: origin.ip };
    let by = ChangeRequest::new(Actor::anonymous(origin), USER_REGISTERED);
    let issuer = app.issuer.clone();
    let confirmed = app.change(by, SCOPE, async move |unit, actor, context| {
        let made = confirm(unit, actor, context, issuer.secrets(), issuer.policy(), command.clone()).await?;
        RegisteredView::answer(&made, &IssuedTokens::new(&issuer, &made.session, transport)?)
    });
    app.settled(guess, confirmed.await).await
}
