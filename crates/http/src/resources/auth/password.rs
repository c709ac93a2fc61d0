//! Operation `POST /auth/password/change`.

use secrecy::SecretString;
use serde::Deserialize;
use tenantry_identity::vocabulary::{INVALID_CREDENTIALS, WEAK_PASSWORD};
use tenantry_identity::{
    ChangePassword, IdentityError, Password, PasswordHasher, TypedPassword, change_password as change,
};
use tenantry_kernel::ErrorCode;
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Authorized, Body, Contract, FieldErrors, IntoCommand},
};

pub(crate) const OPERATION: Contract =
    Contract::of::<ChangePassword>(&[INVALID_CREDENTIALS, WEAK_PASSWORD, ErrorCode::RATE_LIMITED]);

/// The current password and the new one.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "currentPassword": "correct horse battery staple", "newPassword": "quartz jockey vows imply bedfog"
}))]
pub(crate) struct ChangedPassword {
    #[schema(max_length = 128, format = "password", value_type = String)]
    current_password: SecretString,
    /// 8 to 128 characters. Passwords that are easy to guess are refused.
    #[schema(min_length = 8, max_length = 128, format = "password", value_type = String)]
    new_password: SecretString,
}

impl IntoCommand for ChangedPassword {
    /// The current password, `None` when it is malformed and so treated like a wrong one, and the new password.
    type Output = (Option<TypedPassword>, Password);

    fn parse(self, errors: &mut FieldErrors) -> Option<Self::Output> {
        let new = errors.take("newPassword", Password::parse(self.new_password));
        Some((TypedPassword::parse(self.current_password), new?))
    }
}

/// Change your password
///
/// The caller's other sessions end, and so does a link that resets the password.
#[utoipa::path(
    post,
    path = "/auth/password/change",
    tag = "auth",
    request_body = ChangedPassword,
    responses((status = 204, description = "The password is changed."))
)]
pub(crate) async fn change_password(
    app: App,
    caller: Authorized<ChangePassword>,
    body: Body,
) -> Result<Answer, Failure> {
    let (current, new) = body.parse::<ChangedPassword>().await?;
    if let Some(answer) = app.answered_before(&caller.change_request(), caller.scope()).await? {
        return Ok(answer);
    }
    let (session, request) = (caller.session()?, caller.change_request());
    let proof = app.proofs.password_of_session(session, current, &request, caller.scope()).await?;
    new.ensure_unguessable(&own_words(&caller)?)?;
    let hash = app.hasher.hash(new).await.map_err(IdentityError::from)?;
    let command = ChangePassword { proof, hash };
    app.change(request, caller.scope(), async move |unit, actor, context| {
        change(unit, actor, context, command.clone()).await?;
        Ok(Answer::no_content())
    })
    .await
}

fn own_words(caller: &Authorized<ChangePassword>) -> Result<Vec<&str>, Failure> {
    let session = caller.session()?;
    let tenant = caller.authority().tenant.iter().flat_map(|tenant| [tenant.name.as_str(), tenant.slug.as_str()]);
    Ok([session.email.as_str(), session.name.as_str()].into_iter().chain(tenant).collect())
}
