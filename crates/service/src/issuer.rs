//! Issues the tokens of sessions.

use secrecy::SecretString;
use std::sync::Arc;
use tenantry_crypto::{JwtTokens, ServerSecrets};
use tenantry_identity::{AccessClaims, AccessTokens, Session, SessionPolicy};
use tenantry_kernel::{Context, ErrorCode};

use crate::ServiceError;

/// Issues the tokens of sessions. Cloning is cheap.
#[derive(Clone)]
pub struct TokenIssuer {
    tokens: Arc<JwtTokens>,
    secrets: Arc<ServerSecrets>,
    policy: SessionPolicy,
    context: Context,
}

/// The tokens of a session at its current rotation.
pub struct SessionTokens {
    /// The access token, a JWT.
    pub access: SecretString,
    /// Lifetime of the access token, in seconds.
    pub access_seconds: u64,
    /// The refresh token.
    pub refresh: SecretString,
    /// Lifetime of the refresh token without use, in seconds.
    pub refresh_seconds: u64,
}

impl TokenIssuer {
    /// Signs access tokens with `tokens` and refresh tokens with `secrets`.
    pub fn new(tokens: Arc<JwtTokens>, secrets: Arc<ServerSecrets>, policy: SessionPolicy, context: Context) -> Self {
        Self { tokens, secrets, policy, context }
    }

    /// Returns the secrets that protect refresh tokens.
    pub fn secrets(&self) -> &ServerSecrets {
        &self.secrets
    }

    /// Returns the lifetimes of sessions and their tokens.
    pub fn policy(&self) -> &SessionPolicy {
        &self.policy
    }

    /// Issues the tokens of a session. Fails when the secret of its refresh tokens was removed from the configuration.
    pub fn issue(&self, session: &Session) -> Result<SessionTokens, ServiceError> {
        let now = self.context.now().unix_seconds();
        let access_seconds = self.policy.access.as_secs();
        let claims = AccessClaims {
            user: session.user,
            session: session.id,
            tenant: session.tenant,
            rotation: session.rotation,
            token: self.context.uuid_v7(),
            issued_at: now,
            expires_at: now.saturating_add_unsigned(access_seconds),
        };
        let refresh =
            session.refresh_token(&*self.secrets).ok_or_else(|| ServiceError::new(ErrorCode::TOKEN_INVALID))?;
        Ok(SessionTokens {
            access: self.tokens.sign(&claims),
            access_seconds,
            refresh: refresh.encode(),
            refresh_seconds: self.policy.idle.as_secs(),
        })
    }
}
