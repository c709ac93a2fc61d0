//! Ed25519 keys that sign access tokens (RFC 8037). The first key signs, all keys verify and are published.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::{fmt, iter};
use tenantry_kernel::Entropy;
use zeroize::Zeroizing;

use crate::{
    KeyListError,
    key_list::{KeyEntry, decode_base64},
};

/// The live signing keys; at least one.
pub struct SigningKeys {
    first: SigningKey,
    others: Vec<SigningKey>,
}

/// A key pair and the id that its tokens carry.
pub(crate) struct SigningKey {
    /// The key's JWK thumbprint (RFC 7638 with SHA-256), so that no key needs a configured name.
    pub(crate) id: String,
    pub(crate) private: EncodingKey,
    pub(crate) public: DecodingKey,
    jwk: Jwk,
}

impl SigningKeys {
    /// The bytes before the 32 bytes of an Ed25519 private key in PKCS#8 (RFC 8410, section 7).
    const PKCS8_PREFIX: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

    /// Parses keys from the configuration: PKCS#8 DER in base64, as written by `openssl genpkey -algorithm ed25519
    /// -outform DER` and [`SigningKeys::generate_one`].
    pub fn parse(list: &[SecretString]) -> Result<Self, KeyListError> {
        let mut keys: Vec<SigningKey> = Vec::with_capacity(list.len());
        for (entry, position) in KeyEntry::parse_all(list)?.iter().zip(1..) {
            let der = decode_base64(entry.body.expose_secret()).ok_or(KeyListError::NotBase64(position))?;
            let key = SigningKey::from_pkcs8(&der).ok_or(KeyListError::NotEd25519(position))?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(KeyListError::Repeated(position));
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(KeyListError::Empty)?;
        Ok(Self { first, others: keys.collect() })
    }

    /// Generates a key in the form of the configuration.
    pub fn generate_one(entropy: &dyn Entropy) -> SecretString {
        let mut der = Zeroizing::new([0; 48]);
        let (prefix, seed) = der.split_at_mut(Self::PKCS8_PREFIX.len());
        prefix.copy_from_slice(&Self::PKCS8_PREFIX);
        entropy.fill(seed);
        SecretString::from(STANDARD.encode(der.as_slice()))
    }

    /// Returns the public keys as a JWK set (RFC 7517, section 5; RFC 8037, section 2), for `/.well-known/jwks.json`.
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.iter().map(|key| &key.jwk).collect::<Vec<_>>() })
    }

    /// Returns the key that signs new tokens.
    pub(crate) fn current(&self) -> &SigningKey {
        &self.first
    }

    /// Returns the live key with this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<&SigningKey> {
        self.iter().find(|key| key.id == id)
    }

    fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|key| &key.id)).finish()
    }
}

impl SigningKey {
    fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(der).ok()?;
        // the function is named for DER, but aws-lc-rs takes the bare 32 bytes, and only those can become a JWK
        let public = DecodingKey::from_ed_der(pair.public_key().as_ref());
        let mut jwk = Jwk::from_decoding_key(&public, Some(Algorithm::EdDSA)).ok()?;
        let id = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
        jwk.common.key_id = Some(id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Some(Self { id, private: EncodingKey::from_ed_der(der), public, jwk })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemEntropy;

    /// The keys of RFC 8037: A.1 as PKCS#8, and A.3.
    const RFC_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    const RFC_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    fn parse(list: &[&str]) -> Result<SigningKeys, KeyListError> {
        SigningKeys::parse(&list.iter().map(|text| SecretString::from(*text)).collect::<Vec<_>>())
    }

    #[test]
    fn the_key_of_rfc_8037_is_published_as_there() {
        let expected = json!({ "keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": RFC_THUMBPRINT,
            "use": "sig",
            "alg": "EdDSA",
        }] });
        assert_eq!(parse(&[RFC_KEY]).map(|keys| keys.jwks()), Ok(expected));
    }

    #[test]
    fn base64_may_be_url_safe_and_carry_a_mark() {
        let url_safe = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v_VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g@old-20261101T120000Z";
        assert_eq!(parse(&[url_safe]).map(|keys| keys.first.id), Ok(RFC_THUMBPRINT.to_owned()));
    }

    #[test]
    fn the_longer_pkcs8_form_with_the_public_key_is_taken_too() {
        let short = decode_base64(RFC_KEY).unwrap();
        let long = Ed25519KeyPair::from_pkcs8(&short).unwrap().to_pkcs8().unwrap();
        assert!(long.as_ref().len() > short.len());
        assert_eq!(parse(&[&STANDARD.encode(long.as_ref())]).map(|keys| keys.first.id), Ok(RFC_THUMBPRINT.to_owned()));
    }

    #[test]
    fn a_new_key_is_the_pkcs8_that_the_library_writes() {
        let text = SigningKeys::generate_one(&SystemEntropy);
        let der = decode_base64(text.expose_secret()).unwrap();
        let written = Ed25519KeyPair::from_pkcs8(&der).unwrap().to_pkcs8v1().unwrap();
        assert_eq!(written.as_ref(), &**der);
        assert!(SigningKeys::parse(&[text, SigningKeys::generate_one(&SystemEntropy)]).is_ok());
    }

    #[test]
    fn a_bad_list_names_the_entry_and_never_repeats_it() {
        let p256 = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfC4y7rrVO+7sNchK7z8eW1X6Z7jN9dNW3dU6gAA64cGhRANCAATyBcBi9nYo3hKkvQXz//Gmr1laztbkqvPhL8FZQ09fLKde/dlmX/Jc+LVHuzXOTxP7jq9UX3+YCRppAyZlD00N";
        for (list, error) in [
            (vec![], KeyListError::Empty),
            (vec![RFC_KEY, "planted!"], KeyListError::NotBase64(2)),
            (vec!["k1:AAAA"], KeyListError::NotBase64(1)),
            (vec![""], KeyListError::NotEd25519(1)),
            (vec![p256], KeyListError::NotEd25519(1)),
            (vec![RFC_KEY, "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="], KeyListError::NotEd25519(2)),
            (vec![RFC_KEY, RFC_KEY], KeyListError::Repeated(2)),
            (vec!["AAAA@planted"], KeyListError::BadMark(1)),
        ] {
            let told = parse(&list).map(|_| ()).unwrap_err();
            assert_eq!(told, error);
            assert!(!told.to_string().contains("planted"));
        }
    }

    #[test]
    fn keys_do_not_print() {
        let keys = parse(&[RFC_KEY]).unwrap();
        assert_eq!(format!("{keys:?}"), format!("[{RFC_THUMBPRINT:?}]"));
    }
}
