//! Tokens in responses, and the two ways in which clients receive and send a refresh token.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration as CookieDuration},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tenantry_identity::{RefreshToken, Session};
use tenantry_kernel::ErrorCode;
use tenantry_service::TokenIssuer;
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, Failure,
    request::{FieldErrors, IntoCommand, require_allowed_origin},
};

/// Name of the cookie of the refresh token. No script can read the cookie, and browsers send it to no other site.
pub(crate) const COOKIE: &str = "__Host-tenantry_refresh";

/// The way in which a client receives and sends a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Transport {
    /// In the bodies of requests and responses.
    #[default]
    Body,
    /// In the cookie [`COOKIE`].
    Cookie,
}

impl Transport {
    pub(crate) fn parse(text: Option<&str>, errors: &mut FieldErrors) -> Option<Self> {
        let transport = match text {
            None | Some("body") => Ok(Self::Body),
            Some("cookie") => Ok(Self::Cookie),
            Some(_) => Err("must be body or cookie"),
        };
        errors.take("transport", transport)
    }
}

/// The tokens of a session.
#[derive(Serialize, ToSchema, Clone)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokensView {
    /// A JWT (RFC 9068). Send it in the header `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 900)]
    expires_in: u64,
    /// Opaque. Absent if the cookie carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// Tokens of a session at its current rotation, and the cookie if the refresh token is sent in one.
pub(crate) struct IssuedTokens {
    pub(crate) view: TokensView,
    cookie: Option<String>,
}

impl IssuedTokens {
    /// Issues the tokens of a session.
    pub(crate) fn new(issuer: &TokenIssuer, session: &Session, transport: Transport) -> Result<Self, Failure> {
        let tokens = issuer.issue(session)?;
        let refresh = tokens.refresh.expose_secret();
        let (refresh_token, cookie) = match transport {
            Transport::Body => (Some(refresh.to_owned()), None),
            Transport::Cookie => (None, Some(cookie(refresh, tokens.refresh_seconds))),
        };
        let view = TokensView {
            access_token: tokens.access.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: tokens.access_seconds,
            refresh_token,
        };
        Ok(Self { view, cookie })
    }

    /// Adds the cookie to a response, if the refresh token is sent in one.
    pub(crate) fn on(&self, answer: Answer) -> Answer {
        match &self.cookie {
            Some(cookie) => answer.header("Set-Cookie", cookie.clone()),
            None => answer,
        }
    }
}

fn cookie(value: &str, seconds: u64) -> String {
    let lifetime = CookieDuration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
    Cookie::build(COOKIE, value)
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .path("/")
        .max_age(lifetime)
        .finish()
        .to_string()
}

/// Returns the `Set-Cookie` header that deletes the cookie in the browser.
pub(crate) fn forget_cookie() -> String {
    cookie("", 0)
}

/// A refresh token in the body. Without one the server reads the cookie.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "refreshToken": "tr_AZLwwSNFerwAjQEjRWeJqwAAAAA…" }))]
pub(crate) struct PresentedToken {
    /// The latest refresh token of the session. Omit the field if the cookie carries it.
    #[schema(max_length = 200, value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

impl IntoCommand for PresentedToken {
    type Output = Option<SecretString>;

    fn parse(self, _: &mut FieldErrors) -> Option<Self::Output> {
        Some(self.refresh_token)
    }
}

/// Returns the refresh token of the body, or else of the cookie, and its transport; `None` without a token. Fails with
/// `token_invalid` when the token is malformed.
pub(crate) fn presented(
    request: &HttpRequest,
    in_body: Option<SecretString>,
) -> Result<Option<(RefreshToken, Transport)>, Failure> {
    let invalid = |_| Failure::new(ErrorCode::TOKEN_INVALID);
    if let Some(token) = in_body {
        let token = RefreshToken::decode(token.expose_secret()).map_err(invalid)?;
        return Ok(Some((token, Transport::Body)));
    }
    let Some(cookie) = request.cookie(COOKIE) else { return Ok(None) };
    require_allowed_origin(request)?;
    let token = RefreshToken::decode(cookie.value()).map_err(invalid)?;
    Ok(Some((token, Transport::Cookie)))
}
