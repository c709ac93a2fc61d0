//! Tokens as answers, and the two ways in which a refresh token travels.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration as CookieDuration},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tenantry_identity::{AccessClaims, AccessTokens, RefreshToken, Session};
use tenantry_kernel::ErrorCode;
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    http::{
        body::{Fields, Reads},
        origin::require_allowed_origin,
    },
};

/// Readable by nobody's script, sent to nobody else's site.
pub(crate) const COOKIE: &str = "__Host-tenantry_refresh";

/// How a refresh token travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Transport {
    /// In bodies.
    #[default]
    Body,
    /// In a cookie of ours.
    Cookie,
}

impl Transport {
    pub(crate) fn read(text: Option<&str>, fields: &mut Fields) -> Option<Self> {
        let transport = match text {
            None | Some("body") => Ok(Self::Body),
            Some("cookie") => Ok(Self::Cookie),
            Some(_) => Err("must be body or cookie"),
        };
        fields.take("transport", transport)
    }
}

/// Tokens of a session.
#[derive(Serialize, ToSchema, Clone)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokensView {
    /// A JWT (RFC 9068); send it as `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 900)]
    expires_in: u64,
    /// Opaque; absent when it travels in a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// The tokens of a session at its current rotation, and the cookie where they travel so.
pub(crate) struct Issued {
    pub(crate) view: TokensView,
    cookie: Option<String>,
}

impl App {
    /// Makes the tokens of a session.
    pub(crate) fn issue(&self, session: &Session, transport: Transport) -> Result<Issued, Failure> {
        let now = self.world.now().unix_seconds();
        let lifetime = self.sessions.access.as_secs();
        let claims = AccessClaims {
            user: session.user,
            session: session.id,
            tenant: session.tenant,
            rotation: session.rotation,
            token: self.world.uuid_v7(),
            issued_at: now,
            expires_at: now.saturating_add_unsigned(lifetime),
        };
        let refresh = session.refresh_token(&self.secrets).ok_or_else(|| Failure::new(ErrorCode::TOKEN_INVALID))?;
        let refresh = refresh.encode();
        let (refresh_token, cookie) = match transport {
            Transport::Body => (Some(refresh.expose_secret().to_owned()), None),
            Transport::Cookie => (None, Some(cookie(refresh.expose_secret(), self.sessions.idle.as_secs()))),
        };
        let view = TokensView {
            access_token: self.tokens.sign(&claims).expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: lifetime,
            refresh_token,
        };
        Ok(Issued { view, cookie })
    }
}

impl Issued {
    /// Adds the cookie to an answer, where the token travels in one.
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

/// The header that makes a browser forget the cookie.
pub(crate) fn forget_cookie() -> String {
    cookie("", 0)
}

/// A refresh token in a body; without one it is looked for in the cookie.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "refreshToken": "tr_AZLwwSNFerwAjQEjRWeJqwAAAAA…" }))]
pub(crate) struct PresentedToken {
    /// The refresh token of the last answer; leave it out when it travels in the cookie.
    #[schema(max_length = 200, value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

impl Reads for PresentedToken {
    type Output = Option<SecretString>;

    fn read(self, _: &mut Fields) -> Option<Self::Output> {
        Some(self.refresh_token)
    }
}

/// A refresh token as it was shown, and how it came.
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
