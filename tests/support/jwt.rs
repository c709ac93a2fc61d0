//! Access tokens as an attacker would forge them.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::Server;

/// Creates tokens with a key pair.
pub(crate) struct Forge(Ed25519KeyPair);

impl Forge {
    /// Uses the server's own key.
    pub(crate) fn of(server: &Server) -> Self {
        let keys = std::fs::read_to_string(server.place.folder.path().join("keys.env")).unwrap();
        let key = keys.lines().find_map(|line| line.strip_prefix("SIGNING_KEYS=")).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(&STANDARD.decode(key).unwrap()).unwrap())
    }

    /// Uses a key that the server does not know.
    pub(crate) fn stranger() -> Self {
        Self(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = unsigned(header, claims);
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(text.as_bytes())))
    }
}

/// Returns a token with a MAC in place of the signature.
pub(crate) fn sign_with_hmac(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let text = unsigned(header, claims);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Returns header and claims of a token, without a signature.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// Returns the claims of a token, unverified.
pub(crate) fn claims_of(token: &str) -> Value {
    part_of(token, 1)
}

/// Returns the header of a token, unverified.
pub(crate) fn header_of(token: &str) -> Value {
    part_of(token, 0)
}

fn part_of(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
