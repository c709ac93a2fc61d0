//! Operations `POST /auth/password/forgot` and `/auth/password/reset`.

use actix_web::HttpRequest;
use secrecy::SecretString;
use serde::Deserialize;
use tenantry_identity::vocabulary::{LINK_INVALID, USER_PASSWORD_RESET, WEAK_PASSWORD};
use tenantry_identity::{
    IdentityError, LinkKind, LinkToken, Password, PasswordHasher, People, QuotaKind, ResetPassword, find_link,
    request_reset, reset_password as reset,
};
use tenantry_kernel::{Actor, EmailAddress, ErrorCode};
use tenantry_service::{ChangeRequest, Scope, SystemReason};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Accepted, Anonymous, Body, Contract, FieldErrors, IntoCommand, Of, origin_of},
};

pub(crate) const FORGOT: Contract = Contract::public(&[], &[ErrorCode::RATE_LIMITED]);
pub(crate) const RESET: Contract = Contract::public(ResetPassword::EVENTS, &[WEAK_PASSWORD, LINK_INVALID]);

/// The email address of the account.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "ada@example.com" }))]
pub(crate) struct Forgotten {
    #[validate(length(max = 254))]
    #[schema(max_length = 254, format = "idn-email")]
    email: String,
}

impl IntoCommand for Forgotten {
    type Output = EmailAddress;

    fn parse(self, errors: &mut FieldErrors) -> Option<EmailAddress> {
        errors.take("email", EmailAddress::parse(&self.email))
    }
}

/// Request a link to reset a forgotten password
///
/// The response is the same for known and unknown addresses.
#[utoipa::path(
    post,
    path = "/auth/password/forgot",
    tag = "auth",
    request_body = Forgotten,
    responses((status = 202, description = "If the address has an account, the server sends a link to it.", body = Of<Accepted>))
)]
pub(crate) async fn forgot_password(
    app: App,
    _: Anonymous,
    request: HttpRequest,
    body: Body,
) -> Result<Answer, Failure> {
    let email = body.parse::<Forgotten>().await?;
    let origin = origin_of(&request);
    app.proofs.consume(QuotaKind::MailRequest(&email), &origin).await?;
    let by = ChangeRequest::new(Actor::anonymous(origin), USER_PASSWORD_RESET);
    app.change(by, Scope::System(SystemReason::SignIn), async move |unit, actor, context| {
        request_reset(unit, actor, context, &email).await?;
        Answer::accepted()
    })
    .await
}

/// The token of the link from the email, and the new password.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "token": "kZp3vV0Jr1m8Q5h2Yx7dWcT9bNf4sLgEaUoKiRtMhPw", "password": "quartz jockey vows imply bedfog"
}))]
pub(crate) struct NewPassword {
    #[schema(min_length = 1, max_length = 200, value_type = String)]
    token: SecretString,
    /// 8 to 128 characters. Passwords that are easy to guess are refused.
    #[schema(min_length = 8, max_length = 128, format = "password", value_type = String)]
    password: SecretString,
}

impl IntoCommand for NewPassword {
    /// `None` for a malformed token, which is treated like a wrong one.
    type Output = (Option<[u8; 32]>, Password);

    fn parse(self, errors: &mut FieldErrors) -> Option<Self::Output> {
        Some((LinkToken::hash_of(&self.token), errors.take("password", Password::parse(self.password))?))
    }
}

/// Reset a password with the token of a link
///
/// All sessions of the user end.
#[utoipa::path(
    post,
    path = "/auth/password/reset",
    tag = "auth",
    request_body = NewPassword,
    responses((status = 204, description = "The password is changed. The user can sign in with it."))
)]
pub(crate) async fn reset_password(
    app: App,
    _: Anonymous,
    request: HttpRequest,
    body: Body,
) -> Result<Answer, Failure> {
    const SCOPE: Scope = Scope::System(SystemReason::Link);
    let (token_hash, password) = body.parse::<NewPassword>().await?;
    let token_hash = token_hash.ok_or(IdentityError::LinkInvalid)?;
    let mut unit = app.read(SCOPE).await?;
    let link = find_link(&mut unit, &app.context, &token_hash, &[LinkKind::Reset]).await?;
    let person = unit.person_by_id(link.user).await?.ok_or(IdentityError::LinkInvalid)?;
    drop(unit);
    password.ensure_unguessable(&[person.email.as_str(), person.name.as_str()])?;
    let hash = app.hasher.hash(password).await.map_err(IdentityError::from)?;
    let origin = origin_of(&request);
    let command = ResetPassword { token_hash, hash, ip: origin.ip };
    let by = ChangeRequest::new(Actor::anonymous(origin), USER_PASSWORD_RESET);
    app.change(by, SCOPE, async move |unit, actor, context| {
        reset(unit, actor, context, command.clone()).await?;
        Ok(Answer::no_content())
    })
    .await
}
