//! Signs and verifies access tokens: JWTs (RFC 9068) signed with Ed25519 (RFC 8037).
//!
//! Only tokens that this server issued are accepted, so parsing is strict: the header has exactly three known fields,
//! the claims are exactly the known ones, each of its type. The id in the header selects one of our keys; nothing in a
//! token is followed or fetched.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header, Validation};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::HashSet;
use tenantry_identity::{AccessClaims, AccessTokens, TokenError};
use tenantry_kernel::{SessionId, TenantId, UserId, parse_own_id};
use uuid::Uuid;

use crate::{SigningKeys, signing_keys::SigningKey};

/// The explicit type of an access token (RFC 9068, section 2.1). Another JWT signed by these keys cannot pass as an
/// access token.
const TYPE: &str = "at+jwt";
const ALGORITHM: &str = "EdDSA";

/// Signs and verifies access tokens with one set of keys, for one issuer and one audience.
#[derive(Debug)]
pub struct JwtTokens {
    keys: SigningKeys,
    issuer: String,
    audience: String,
    signature_only: Validation,
}

impl JwtTokens {
    /// Maximum length of a token in bytes. A token takes about 620 bytes with an issuer and an audience of usual
    /// length, and 1,610 with the longest that the configuration allows. A longer one is refused before it is parsed.
    const MAX_BYTES: usize = 2048;

    /// Creates a signer. `issuer` is the public URL without a trailing slash.
    pub fn new(keys: SigningKeys, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        // jsonwebtoken treats wrong types as absent and lists as single values, so it checks the signature only and
        // this file the rest
        let mut signature_only = Validation::new(Algorithm::EdDSA);
        signature_only.required_spec_claims = HashSet::new();
        signature_only.validate_exp = false;
        signature_only.validate_nbf = false;
        signature_only.validate_aud = false;
        Self { keys, issuer: issuer.into(), audience: audience.into(), signature_only }
    }

    fn read(&self, token: &str) -> Option<AccessClaims> {
        if token.len() > Self::MAX_BYTES {
            return None;
        }
        let key = self.key_of(token)?;
        let signed = jsonwebtoken::decode::<Claims>(token, &key.public, &self.signature_only).ok()?;
        let claims = signed.claims;
        if claims.iss == self.issuer && claims.aud == self.audience { claims.into_access() } else { None }
    }

    /// Returns the live key that the token's header names, if the header has the known form.
    fn key_of(&self, token: &str) -> Option<&SigningKey> {
        let (encoded, _) = token.split_once('.')?;
        let json = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let header: OwnHeader = serde_json::from_slice(&json).ok()?;
        if header.typ == TYPE && header.alg == ALGORITHM { self.keys.by_id(&header.kid) } else { None }
    }
}

impl AccessTokens for JwtTokens {
    fn sign(&self, claims: &AccessClaims) -> SecretString {
        let key = self.keys.current();
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.id.clone());
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: claims.user.to_string(),
            sid: claims.session.to_string(),
            tid: claims.tenant.map(|tenant| tenant.to_string()),
            rot: claims.rotation,
            jti: claims.token.to_string(),
            iat: claims.issued_at,
            nbf: claims.issued_at,
            exp: claims.expires_at,
        };
        let token = jsonwebtoken::encode(&header, &claims, &key.private);
        SecretString::from(token.expect("a parsed key can sign, and these claims are always JSON"))
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, TokenError> {
        self.read(token).ok_or(TokenError::Invalid)
    }
}

/// The header of an access token. `jwk`, `jku`, `x5u`, `x5c`, `crit` and every other field are refused because they are
/// not listed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnHeader {
    typ: String,
    alg: String,
    kid: String,
}

/// The claims of an access token, in the order in which they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    tid: Option<String>,
    rot: u32,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl Claims {
    /// The last second of the year 9999, the latest time that RFC 3339 can express.
    const MAX_SECONDS: i64 = 253_402_300_799;

    fn into_access(self) -> Option<AccessClaims> {
        let in_time = |seconds: i64| (0..=Self::MAX_SECONDS).contains(&seconds);
        if !in_time(self.iat) || !in_time(self.exp) {
            return None;
        }
        // An issuer may set `nbf` back, for readers whose clocks are slow.
        if !(self.iat - AccessClaims::LEEWAY_SECONDS..=self.iat).contains(&self.nbf) {
            return None;
        }
        Some(AccessClaims {
            user: UserId::from_uuid(parse_own_id(&self.sub).ok()?),
            session: SessionId::from_uuid(parse_own_id(&self.sid).ok()?),
            tenant: self.tid.map(|tid| parse_own_id(&tid).map(TenantId::from_uuid)).transpose().ok()?,
            rotation: self.rot,
            token: canonical_uuid(&self.jti)?,
            issued_at: self.iat,
            expires_at: self.exp,
        })
    }
}

fn canonical_uuid(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (*id.as_hyphenated().encode_lower(&mut [0; 36]) == *text).then_some(id)
}

/// Parses an optional claim, which is absent or a string. `null` is refused, since it would be another spelling of
/// "absent".
fn not_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
