//! Operation `POST /auth/switch`.

use actix_web::HttpRequest;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenantry_identity::{IdentityError, SwitchTenant, Switched, switch_tenant as switch};
use tenantry_kernel::{ErrorCode, TenantId};
use tenantry_service::{CommitMode, Scope, SystemReason};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Authorized, Body, Contract, FieldErrors, Id, IntoCommand, Of},
    resources::views::{TenantView, UserView},
    vocabulary::ORIGIN_NOT_ALLOWED,
};

use super::tokens::{IssuedTokens, TokensView, Transport, presented};

pub(crate) const OPERATION: Contract =
    Contract::of::<SwitchTenant>(&[ErrorCode::TENANT_SUSPENDED, ORIGIN_NOT_ALLOWED]).with_cookie();

/// The tenant to switch to, and the refresh token of the current session.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "tenantId": "0192f0c1-2345-7abc-8def-0123456789ab", "refreshToken": "tr_AZLwwSNFerwAjQEjRWeJqwAAAAA…"
}))]
pub(crate) struct WantedTenant {
    #[validate(length(max = 64))]
    #[schema(value_type = Id)]
    tenant_id: String,
    /// Omit the field if the cookie carries the refresh token.
    #[schema(max_length = 200, value_type = Option<String>)]
    refresh_token: Option<SecretString>,
    /// `true` ends the current session.
    end_current: Option<bool>,
    /// Transport of the new refresh token: `body` or `cookie` (default: the transport of the presented token).
    #[validate(length(max = 10))]
    #[schema(max_length = 10, pattern = "^(body|cookie)$")]
    transport: Option<String>,
}

/// A parsed request to switch.
pub(crate) struct SwitchInput {
    /// `None` for a malformed id, which is treated like an unknown one.
    tenant: Option<TenantId>,
    refresh_token: Option<SecretString>,
    end_current: bool,
    transport: Option<Transport>,
}

impl IntoCommand for WantedTenant {
    type Output = SwitchInput;

    fn parse(self, errors: &mut FieldErrors) -> Option<SwitchInput> {
        let transport = match self.transport.as_deref() {
            None => None,
            given => Some(Transport::parse(given, errors)?),
        };
        Some(SwitchInput {
            tenant: self.tenant_id.parse().ok(),
            refresh_token: self.refresh_token,
            end_current: self.end_current.unwrap_or(false),
            transport,
        })
    }
}

/// The user, the tenant, and the tokens of the new session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SwitchedView {
    user: UserView,
    tenant: TenantView,
    #[serde(flatten)]
    tokens: TokensView,
}

/// Start a session in another of your tenants
///
/// The current session continues unless `endCurrent` is `true`.
#[utoipa::path(
    post,
    path = "/auth/switch",
    tag = "auth",
    request_body = WantedTenant,
    responses((status = 200, description = "The tokens of the new session.", body = Of<SwitchedView>))
)]
pub(crate) async fn switch_tenant(
    app: App,
    caller: Authorized<SwitchTenant>,
    request: HttpRequest,
    body: Body,
) -> Result<Answer, Failure> {
    let wanted = body.parse::<WantedTenant>().await?;
    let shown = presented(&request, wanted.refresh_token)?;
    let (token, travels) = shown.ok_or_else(|| Failure::new(ErrorCode::TOKEN_INVALID))?;
    let tenant = wanted.tenant.ok_or(IdentityError::Unknown { field: "tenantId" })?;
    let command = SwitchTenant { tenant, token, end_current: wanted.end_current };
    let transport = wanted.transport.unwrap_or(travels);
    let issuer = app.issuer.clone();
    app.change(caller.change_request(), Scope::System(SystemReason::Switch), async move |unit, actor, context| {
        let done = match switch(unit, actor, context, issuer.secrets(), issuer.policy(), command).await? {
            Switched::There(done) => done,
            Switched::Replayed => return Ok(CommitMode::RefusedAndKept(IdentityError::Replayed.into())),
        };
        let issued = IssuedTokens::new(&issuer, &done.session, transport)?;
        let view = SwitchedView {
            user: UserView::from(&done.person),
            tenant: TenantView::from(&done.tenant),
            tokens: issued.view.clone(),
        };
        Ok(issued.on(Answer::ok(&view)?).into())
    })
    .await
}
