//! Access tokens, which name a user and a session, and refresh tokens, which are derived from a session and never
//! stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use sha2::Sha256;
use tenantry_kernel::{SessionId, TenantId, UserId};
use uuid::Uuid;

/// Claims of an access token (RFC 9068). The permissions are looked up for each request; the token does not carry them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// `sub`: the user.
    pub user: UserId,
    /// `sid`: the session.
    pub session: SessionId,
    /// `tid`: the tenant of the session.
    pub tenant: Option<TenantId>,
    /// `rot`: the session's rotation when the token was created.
    pub rotation: u32,
    /// `jti`: makes every token unique.
    pub token: Uuid,
    /// `iat` and `nbf`, in seconds since 1970.
    pub issued_at: i64,
    /// `exp`, in seconds since 1970.
    pub expires_at: i64,
}

/// Reason why a token is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not signed by a live key of this server, or malformed.
    #[error("the token is not valid")]
    Invalid,
    /// Expired.
    #[error("the token has expired")]
    Expired,
}

/// Port: signs and verifies access tokens.
pub trait AccessTokens: Send + Sync {
    /// Returns the signed token.
    fn sign(&self, claims: &AccessClaims) -> SecretString;

    /// Returns the claims of a token that a live key signed. Does not check the times: see
    /// [`AccessClaims::check_time`].
    fn verify(&self, token: &str) -> Result<AccessClaims, TokenError>;
}

impl AccessClaims {
    /// Tolerance in seconds for `iat` and `nbf` in the future, because the clocks of two servers differ.
    pub const LEEWAY_SECONDS: i64 = 5;

    /// Checks that the token is valid at this time, in seconds since 1970.
    pub fn check_time(&self, now_seconds: i64) -> Result<(), TokenError> {
        if self.issued_at > now_seconds + Self::LEEWAY_SECONDS {
            return Err(TokenError::Invalid);
        }
        if self.expires_at <= now_seconds { Err(TokenError::Expired) } else { Ok(()) }
    }
}

/// Port: returns the server's keys for refresh tokens by id.
pub trait RefreshKeys: Send + Sync {
    /// Returns the id of the key for new sessions.
    fn current_id(&self) -> &str;

    /// Returns the key with that id, while it is live.
    fn key(&self, id: &str) -> Option<[u8; 32]>;
}

/// A refresh token: the session and its rotation, with a MAC under a key that the session names. Tokens have no rows of
/// their own; the session's counter alone decides which tokens are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session.
    pub session: SessionId,
    /// The session's rotation when the token was created.
    pub rotation: u32,
    mac: [u8; 32],
}

impl RefreshToken {
    const PREFIX: &'static str = "tr_";
    const BYTES: usize = 16 + 4 + 32;

    /// Creates the token of a session at a rotation.
    pub fn issue(session: SessionId, rotation: u32, key: &[u8; 32]) -> Self {
        Self { session, rotation, mac: mac(session, rotation, key).finalize().into_bytes().into() }
    }

    /// Returns whether this key created the token. Compares in constant time.
    pub fn is_made_by(&self, key: &[u8; 32]) -> bool {
        mac(self.session, self.rotation, key).verify_slice(&self.mac).is_ok()
    }

    /// Returns the text form, which clients keep.
    pub fn encode(&self) -> SecretString {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(self.session.uuid().as_bytes());
        bytes[16..20].copy_from_slice(&self.rotation.to_be_bytes());
        bytes[20..].copy_from_slice(&self.mac);
        SecretString::from(format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Parses the text form. Does not verify the MAC: see [`RefreshToken::is_made_by`].
    pub fn decode(text: &str) -> Result<Self, TokenError> {
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(TokenError::Invalid)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenError::Invalid)?;
        let bytes: [u8; Self::BYTES] = bytes.try_into().map_err(|_| TokenError::Invalid)?;
        let (session, rest) = bytes.split_at(16);
        let (rotation, mac) = rest.split_at(4);
        Ok(Self {
            session: SessionId::from_uuid(Uuid::from_slice(session).map_err(|_| TokenError::Invalid)?),
            rotation: u32::from_be_bytes(rotation.try_into().map_err(|_| TokenError::Invalid)?),
            mac: mac.try_into().map_err(|_| TokenError::Invalid)?,
        })
    }
}

fn mac(session: SessionId, rotation: u32, key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(session.uuid().as_bytes());
    mac.update(&rotation.to_be_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn session() -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(0x0192_f0c1_2345_7abc_8def_0123_4567_89ab))
    }

    #[test]
    fn a_token_survives_its_text_and_knows_its_key() {
        let token = RefreshToken::issue(session(), 7, &[1; 32]);
        let read = RefreshToken::decode(token.encode().expose_secret());
        assert_eq!(read, Ok(token));
        assert!(token.is_made_by(&[1; 32]));
        assert!(!token.is_made_by(&[2; 32]));
    }

    #[test]
    fn another_rotation_needs_another_mac() {
        let mut forged = RefreshToken::issue(session(), 7, &[1; 32]);
        forged.rotation = 8;
        assert!(!forged.is_made_by(&[1; 32]));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "tr_", "tr_!!!!", "eyJhbGciOiJub25lIn0.e30.", &"tr_A".repeat(100)] {
            assert_eq!(RefreshToken::decode(text), Err(TokenError::Invalid), "{text}");
        }
    }

    #[test]
    fn leeway_is_for_the_beginning_and_never_for_the_end() {
        let claims = AccessClaims {
            user: UserId::from_uuid(Uuid::nil()),
            session: session(),
            tenant: None,
            rotation: 0,
            token: Uuid::nil(),
            issued_at: 1_000,
            expires_at: 1_900,
        };
        assert_eq!(claims.check_time(995), Ok(()));
        assert_eq!(claims.check_time(994), Err(TokenError::Invalid));
        assert_eq!(claims.check_time(1_899), Ok(()));
        assert_eq!(claims.check_time(1_900), Err(TokenError::Expired));
    }
}
