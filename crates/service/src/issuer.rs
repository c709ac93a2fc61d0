//! Tokens of sessions.

use secrecy::SecretString;
use std::sync::Arc;
use tenantry_crypto::{JwtTokens, ServerSecrets};
use tenantry_identity::{AccessClaims, AccessTokens, Session, SessionPolicy};
use tenantry_kernel::{ErrorCode, World};

use crate::ServiceError;

/// Makes the tokens of sessions. Cloning is cheap.
#[derive(Clone)]
pub struct TokenIssuer {
    tokens: Arc<JwtTokens>,
    secrets: Arc<ServerSecrets>,
    policy: SessionPolicy,
    world: World,
}

/// The tokens of a session at its current rotation.
pub struct SessionTokens {
    /// The access token, a JWT.
    pub access: SecretString,
    /// How long the access token lasts.
    pub access_seconds: u64,
    /// The refresh token.
    pub refresh: SecretString,
    /// How long the refresh token lasts unless it is used.
    pub refresh_seconds: u64,
}

impl TokenIssuer {
    /// Signs access tokens with `tokens` and refresh tokens with `secrets`.
    pub fn new(tokens: Arc<JwtTokens>, secrets: Arc<ServerSecrets>, policy: SessionPolicy, world: World) -> Self {
        Self { tokens, secrets, policy, world }
    }

    /// The keys of refresh tokens.
    pub fn secrets(&self) -> &ServerSecrets {
        &self.secrets
    }

    /// How long sessions and their tokens last.
    pub fn policy(&self) -> &SessionPolicy {
        &self.policy
    }

    /// Makes the tokens of a session. Fails when the secret of its refresh tokens was removed from the configuration.
    pub fn issue(&self, session: &Session) -> Result<SessionTokens, ServiceError> {
        let now = self.world.now().unix_seconds();
        let access_seconds = self.policy.access.as_secs();
        let claims = AccessClaims {
            user: session.user,
            session: session.id,
            tenant: session.tenant,
            rotation: session.rotation,
            token: self.world.uuid_v7(),
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
