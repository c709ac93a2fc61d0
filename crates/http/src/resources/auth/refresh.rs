//! Operation `POST /auth/refresh`.

use actix_web::HttpRequest;
use tenantry_identity::vocabulary::SESSION_REPLAYED;
use tenantry_identity::{IdentityError, Refresh, Refreshed, refresh_session};
use tenantry_kernel::{Actor, ErrorCode, FieldError};
use tenantry_service::{ChangeRequest, CommitMode, Scope, SystemReason};

use crate::{
    Answer, App, Failure,
    request::{Anonymous, Body, Contract, Of, origin_of},
    vocabulary::ORIGIN_NOT_ALLOWED,
};

use super::tokens::{IssuedTokens, PresentedToken, TokensView, presented};

pub(crate) const OPERATION: Contract = Contract::public(
    Refresh::EVENTS,
    &[ErrorCode::UNAUTHENTICATED, ErrorCode::TOKEN_INVALID, ErrorCode::SESSION_ENDED, ORIGIN_NOT_ALLOWED],
)
.with_cookie()
.with_optional_body();

/// Exchange a refresh token for new tokens
///
/// A refresh token is valid for one exchange. If the same token is sent again within ten seconds, or because the
/// response was lost, the response has the same successor. An older token ends every session of its sign-in.
#[utoipa::path(
    post,
    path = "/auth/refresh",
    tag = "auth",
    request_body(content = PresentedToken, description = "Omit the body if the cookie carries the token."),
    responses((status = 200, description = "The new tokens.", body = Of<TokensView>))
)]
pub(crate) async fn refresh(app: App, _: Anonymous, request: HttpRequest, body: Body) -> Result<Answer, Failure> {
    let in_body = body.parse_if_any::<PresentedToken>().await?.flatten();
    let Some((token, transport)) = presented(&request, in_body)? else {
        let needed = "Send the session's refresh token here or in the cookie. No access token is needed.";
        let missing = FieldError::new("refreshToken", "required", needed);
        return Err(Failure::new(ErrorCode::UNAUTHENTICATED).detail(missing));
    };
    let origin = origin_of(&request);
    let (session, ip) = (token.session, origin.ip);
    let is_address_noted = app.noted_addresses.contains(session, ip);
    let by = ChangeRequest::new(Actor::anonymous(origin), SESSION_REPLAYED);
    let issuer = app.issuer.clone();
    let refreshed = app.change(by, Scope::System(SystemReason::Token), async move |unit, actor, context| {
        let command = Refresh { token, is_address_noted };
        match refresh_session(unit, actor, context, issuer.secrets(), issuer.policy(), command).await? {
            Refreshed::Session(session) => {
                let issued = IssuedTokens::new(&issuer, &session, transport)?;
                Ok(issued.on(Answer::ok(&issued.view)?).into())
            }
            Refreshed::Replayed => Ok(CommitMode::RefusedAndKept(IdentityError::Replayed.into())),
        }
    });
    let answer = refreshed.await?;
    app.noted_addresses.insert(session, ip);
    Ok(answer)
}
