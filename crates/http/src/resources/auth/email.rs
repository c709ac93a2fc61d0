//! Operations `POST /auth/email/verify`, `/auth/email/resend` and `/auth/email/change`.

use actix_web::HttpRequest;
use secrecy::SecretString;
use serde::Deserialize;
use tenantry_identity::vocabulary::{EMAIL_TAKEN, INVALID_CREDENTIALS, LINK_INVALID, USER_EMAIL_VERIFIED};
use tenantry_identity::{
    ChangeEmail, IdentityError, LinkKind, LinkToken, Proof, QuotaKind, ResendVerification, TypedPassword, VerifyEmail,
    find_link, request_email_change, request_verification, verify_email as verify,
};
use tenantry_kernel::{Actor, EmailAddress, ErrorCode, FieldError};
use tenantry_service::{ChangeRequest, Scope, SystemReason};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Accepted, Authorized, Body, Contract, FieldErrors, IntoCommand, MaybeAuthenticated, Of, origin_of},
};

pub(crate) const VERIFY: Contract = Contract::public(
    VerifyEmail::EVENTS,
    &[
        ErrorCode::UNAUTHENTICATED,
        ErrorCode::TOKEN_INVALID,
        ErrorCode::TOKEN_EXPIRED,
        ErrorCode::SESSION_ENDED,
        INVALID_CREDENTIALS,
        EMAIL_TAKEN,
        LINK_INVALID,
        ErrorCode::RATE_LIMITED,
    ],
);
pub(crate) const RESEND: Contract = Contract::of::<ResendVerification>(&[ErrorCode::RATE_LIMITED]);
pub(crate) const CHANGE: Contract = Contract::of::<ChangeEmail>(&[INVALID_CREDENTIALS, ErrorCode::RATE_LIMITED]);

const SCOPE: Scope = Scope::System(SystemReason::Link);

/// The token of the link from the email, and the password unless the request has an access token.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "token": "kZp3vV0Jr1m8Q5h2Yx7dWcT9bNf4sLgEaUoKiRtMhPw", "password": "correct horse battery staple"
}))]
pub(crate) struct Verification {
    #[schema(min_length = 1, max_length = 200, value_type = String)]
    token: SecretString,
    /// Required unless the request has an access token of the user to whom the link was sent.
    #[schema(max_length = 128, format = "password", value_type = Option<String>)]
    password: Option<SecretString>,
}

impl IntoCommand for Verification {
    /// The token's hash, and the password if given. Each is `None` when malformed and so treated like a wrong one.
    type Output = (Option<[u8; 32]>, Option<Option<TypedPassword>>);

    fn parse(self, _: &mut FieldErrors) -> Option<Self::Output> {
        Some((LinkToken::hash_of(&self.token), self.password.map(TypedPassword::parse)))
    }
}

/// Verify an email address with the token of a link
///
/// For a link of an email address change, the account gets the new address, and the user's other sessions and links
/// end.
#[utoipa::path(
    post,
    path = "/auth/email/verify",
    tag = "auth",
    request_body = Verification,
    responses((status = 204, description = "The address is verified."))
)]
pub(crate) async fn verify_email(
    app: App,
    MaybeAuthenticated(caller): MaybeAuthenticated,
    request: HttpRequest,
    body: Body,
) -> Result<Answer, Failure> {
    let (token_hash, password) = body.parse::<Verification>().await?;
    let token_hash = token_hash.ok_or(IdentityError::LinkInvalid)?;
    let kinds = [LinkKind::Verify, LinkKind::ChangeEmail];
    let link = find_link(&mut app.read(SCOPE).await?, &app.context, &token_hash, &kinds).await?;
    let origin = origin_of(&request);
    let own = caller.filter(|known| known.user == link.user);
    let (actor, proof) = match (own, password) {
        (Some(known), _) => {
            (Actor::of(&known.authority, origin.clone()), Proof::of_session(known.authority.session()?))
        }
        (None, Some(password)) => {
            (Actor::anonymous(origin.clone()), app.proofs.password_of_link(&link, password, &origin).await?)
        }
        (None, None) => {
            let missing = FieldError::new("password", "required", "Send the password here, or sign in first.");
            return Err(Failure::new(ErrorCode::UNAUTHENTICATED).detail(missing));
        }
    };
    let guess = proof.guess.clone();
    let command = VerifyEmail { token_hash, proof, ip: origin.ip };
    let verified =
        app.change(ChangeRequest::new(actor, USER_EMAIL_VERIFIED), SCOPE, async move |unit, actor, context| {
            verify(unit, actor, context, command.clone()).await?;
            Ok(Answer::no_content())
        });
    app.settled(guess, verified.await).await
}

/// Send a new link to verify your email address
#[utoipa::path(
    post,
    path = "/auth/email/resend",
    tag = "auth",
    responses((status = 202, description = "The server sends an email unless the address is already verified.", body = Of<Accepted>))
)]
pub(crate) async fn resend_verification(app: App, caller: Authorized<ResendVerification>) -> Result<Answer, Failure> {
    if let Some(answer) = app.answered_before(&caller.change_request(), caller.scope()).await? {
        return Ok(answer);
    }
    app.proofs.consume(QuotaKind::MailRequest(&caller.session()?.email), &caller.origin).await?;
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        request_verification(unit, actor, context, ResendVerification).await?;
        Answer::accepted()
    })
    .await
}

/// The caller's password and the new email address.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "currentPassword": "correct horse battery staple", "newEmail": "ada.lovelace@example.com"
}))]
pub(crate) struct ChangedEmail {
    #[schema(max_length = 128, format = "password", value_type = String)]
    current_password: SecretString,
    #[validate(length(max = 254))]
    #[schema(max_length = 254, format = "idn-email")]
    new_email: String,
}

impl IntoCommand for ChangedEmail {
    /// `None` for a malformed password, which is treated like a wrong one.
    type Output = (Option<TypedPassword>, EmailAddress);

    fn parse(self, errors: &mut FieldErrors) -> Option<Self::Output> {
        let new_email = errors.take("newEmail", EmailAddress::parse(&self.new_email))?;
        Some((TypedPassword::parse(self.current_password), new_email))
    }
}

/// Request an email address change
///
/// The change takes effect when the link sent to the new address is used. The old address is notified.
#[utoipa::path(
    post,
    path = "/auth/email/change",
    tag = "auth",
    request_body = ChangedEmail,
    responses((status = 202, description = "The server sends a link to the new address.", body = Of<Accepted>))
)]
pub(crate) async fn change_email(app: App, caller: Authorized<ChangeEmail>, body: Body) -> Result<Answer, Failure> {
    let (current, new_email) = body.parse::<ChangedEmail>().await?;
    if let Some(answer) = app.answered_before(&caller.change_request(), caller.scope()).await? {
        return Ok(answer);
    }
    let request = caller.change_request();
    let proof = app.proofs.password_of_session(caller.session()?, current, &request, caller.scope()).await?;
    // Counted after the password check, so that wrong guesses use up no quota of emails.
    app.proofs.consume(QuotaKind::Email(&new_email), &caller.origin).await?;
    let command = ChangeEmail { proof, new_email };
    app.change(request, caller.scope(), async move |unit, actor, context| {
        request_email_change(unit, actor, context, command.clone()).await?;
        Answer::accepted()
    })
    .await
}
