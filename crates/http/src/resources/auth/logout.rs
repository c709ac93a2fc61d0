//! Operation `POST /auth/logout`.

use actix_web::HttpRequest;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tenantry_identity::vocabulary::SESSION_ENDED;
use tenantry_identity::{LogOut, RefreshKeys, Sessions, log_out};
use tenantry_kernel::{Actor, ErrorCode, SessionId};
use tenantry_service::{ChangeRequest, Scope, SystemReason};
use utoipa::IntoParams;

use crate::{
    Answer, App, Failure,
    request::{Anonymous, Body, Contract, FieldErrors, bearer, origin_of, parse_query},
    vocabulary::ORIGIN_NOT_ALLOWED,
};

use super::tokens::{PresentedToken, forget_cookie, presented};

pub(crate) const OPERATION: Contract =
    Contract::public(&[SESSION_ENDED], &[ORIGIN_NOT_ALLOWED]).with_cookie().with_optional_body();

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Siblings {
    /// `true` ends all sessions of the sign-in, not only this one.
    #[param(value_type = Option<bool>)]
    siblings: Option<String>,
}

/// Sign out
///
/// The session is that of the access token, which may have expired, or that of the refresh token in the body or the
/// cookie. A repeated request, or one without a session, succeeds as well.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "auth",
    params(Siblings),
    request_body(content = PresentedToken, description = "Omit the body if the request has an access token or the cookie."),
    responses((status = 204, description = "The session has ended."))
)]
pub(crate) async fn logout(app: App, _: Anonymous, request: HttpRequest, body: Body) -> Result<Answer, Failure> {
    let in_body = body.parse_if_any::<PresentedToken>().await?.flatten();
    let siblings = siblings(&request)?;
    let answer = Answer::no_content().header("Set-Cookie", forget_cookie());
    let by_access_token = bearer(&request)
        .and_then(|token| app.authenticator.claims_of(token, Sha256::digest(token).into()).ok())
        .map(|claims| claims.session);
    let session = match by_access_token {
        Some(session) => Some(session),
        None => session_of_refresh_token(&app, &request, in_body).await?,
    };
    let Some(session) = session else { return Ok(answer) };
    let by = ChangeRequest::new(Actor::anonymous(origin_of(&request)), SESSION_ENDED);
    app.change(by, Scope::System(SystemReason::Token), async move |unit, actor, context| {
        log_out(unit, actor, context, LogOut { session, siblings }).await?;
        Ok(answer.clone())
    })
    .await
}

fn siblings(request: &HttpRequest) -> Result<bool, Failure> {
    let query: Siblings = parse_query(request)?;
    let mut errors = FieldErrors::default();
    let siblings = match query.siblings.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err("must be true or false"),
    };
    let siblings = errors.take("siblings", siblings).unwrap_or(false);
    errors.finish()?;
    Ok(siblings)
}

/// Returns the session of a genuine refresh token. Returns `None` for a forged or malformed token: it ends no session
/// and is no error.
async fn session_of_refresh_token(
    app: &App,
    request: &HttpRequest,
    in_body: Option<secrecy::SecretString>,
) -> Result<Option<SessionId>, Failure> {
    let token = match presented(request, in_body) {
        Ok(Some((token, _))) => token,
        Ok(None) => return Ok(None),
        Err(failure) if failure.code == ErrorCode::TOKEN_INVALID => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let mut unit = app.read(Scope::System(SystemReason::Token)).await?;
    let session = unit.session_by_id(token.session).await?;
    let genuine = session.filter(|s| app.secrets.key(&s.key_id).is_some_and(|key| token.is_made_by(&key)));
    Ok(genuine.map(|session| session.id))
}
