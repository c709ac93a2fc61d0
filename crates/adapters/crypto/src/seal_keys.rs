//! Ed25519 keys that sign the seals of the journal (RFC 8032). The first key signs, all keys are trusted. They are
//! separate from the keys of access tokens: those are dropped when their tokens have expired, but a seal must be
//! verifiable as long as it is kept.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;
use tenantry_audit::{SealKeys, SealSigner, Signature, Trust};

use crate::{
    KeyListError,
    key_list::{KeyEntry, decode_base64},
};

/// A public key that verifies seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealPublicKey([u8; 32]);

impl SealPublicKey {
    /// Parses the 32 bytes of a key from base64, the form in a JWK (RFC 8037, section 2).
    pub fn parse(text: &str) -> Option<Self> {
        decode_base64(text)?.as_slice().try_into().ok().map(Self)
    }

    /// Returns the key in the form that [`SealPublicKey::parse`] reads.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Returns the key's JWK thumbprint (RFC 7638 with SHA-256), which each seal carries.
    pub fn id(&self) -> String {
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.text());
        URL_SAFE_NO_PAD.encode(Sha256::digest(jwk))
    }
}

/// A set of trusted public keys.
#[derive(Debug, Clone, Default)]
pub struct TrustedSealKeys(Vec<(String, SealPublicKey)>);

impl TrustedSealKeys {
    /// Creates a set that trusts only these keys.
    pub fn new(keys: impl IntoIterator<Item = SealPublicKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.id(), key)).collect())
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the keys with their ids.
    pub fn iter(&self) -> impl Iterator<Item = &(String, SealPublicKey)> {
        self.0.iter()
    }
}

impl SealKeys for TrustedSealKeys {
    fn check(&self, key_id: &str, message: &[u8], signature: &Signature) -> Trust {
        match self.0.iter().find(|(id, _)| id == key_id) {
            None => Trust::UnknownKey,
            Some((_, key)) => match UnparsedPublicKey::new(&ED25519, key.0).verify(message, &signature.0) {
                Ok(()) => Trust::Good,
                Err(_) => Trust::Bad,
            },
        }
    }
}

/// The configured keys; at least one.
pub struct SealSigningKeys {
    first: Ed25519KeyPair,
    first_id: String,
    trusted: TrustedSealKeys,
}

impl SealSigningKeys {
    /// Parses keys from the configuration, in the form of [`SigningKeys`](crate::SigningKeys).
    pub fn parse(list: &[SecretString]) -> Result<Self, KeyListError> {
        let mut pairs = Vec::with_capacity(list.len());
        let mut public: Vec<SealPublicKey> = Vec::with_capacity(list.len());
        for (entry, position) in KeyEntry::parse_all(list)?.iter().zip(1..) {
            let der = decode_base64(entry.body.expose_secret()).ok_or(KeyListError::NotBase64(position))?;
            let not_a_key = KeyListError::NotEd25519(position);
            let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| not_a_key)?;
            let key = SealPublicKey(pair.public_key().as_ref().try_into().map_err(|_| not_a_key)?);
            if public.contains(&key) {
                return Err(KeyListError::Repeated(position));
            }
            public.push(key);
            pairs.push(pair);
        }
        let first = pairs.into_iter().next().ok_or(KeyListError::Empty)?;
        Ok(Self { first, first_id: public[0].id(), trusted: TrustedSealKeys::new(public) })
    }

    /// Returns the public keys of all configured keys.
    pub fn trusted(&self) -> &TrustedSealKeys {
        &self.trusted
    }
}

impl SealSigner for SealSigningKeys {
    fn key_id(&self) -> &str {
        &self.first_id
    }

    fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.first.sign(message).as_ref());
        Signature(signature)
    }
}

impl fmt::Debug for SealSigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.trusted.iter().map(|(id, _)| id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SigningKeys, SystemEntropy};

    /// The keys of RFC 8037: A.1 as PKCS#8, A.2 and A.3.
    const RFC_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    const RFC_PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const RFC_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    fn parse(list: &[&str]) -> Result<SealSigningKeys, KeyListError> {
        SealSigningKeys::parse(&list.iter().map(|text| SecretString::from(*text)).collect::<Vec<_>>())
    }

    #[test]
    fn the_key_of_rfc_8037_has_its_public_half_and_its_thumbprint() {
        let keys = parse(&[RFC_KEY]).unwrap();
        assert_eq!(keys.key_id(), RFC_THUMBPRINT);
        let public = SealPublicKey::parse(RFC_PUBLIC).unwrap();
        assert_eq!(keys.trusted().iter().collect::<Vec<_>>(), [&(RFC_THUMBPRINT.to_owned(), public)]);
        assert_eq!(format!("{keys:?}"), format!("[{RFC_THUMBPRINT:?}]"));
    }

    #[test]
    fn the_first_signs_and_all_are_trusted() {
        let other = SigningKeys::generate_one(&SystemEntropy);
        let before = parse(&[RFC_KEY]).unwrap();
        let after = parse(&[other.expose_secret(), RFC_KEY]).unwrap();
        let check = |by: &SealSigningKeys, keys: &SealSigningKeys, message: &[u8]| {
            keys.trusted().check(by.key_id(), message, &by.sign(b"said"))
        };
        assert_eq!(check(&before, &after, b"said"), Trust::Good);
        assert_eq!(check(&after, &after, b"said"), Trust::Good);
        assert_eq!(check(&after, &after, b"sad"), Trust::Bad);
        assert_eq!(check(&after, &before, b"said"), Trust::UnknownKey);
        let mut flipped = after.sign(b"said");
        flipped.0[63] ^= 1;
        assert_eq!(after.trusted().check(after.key_id(), b"said", &flipped), Trust::Bad);
        assert_eq!(after.trusted().check(before.key_id(), b"said", &after.sign(b"said")), Trust::Bad);
    }

    #[test]
    fn a_bad_list_names_the_entry() {
        assert_eq!(parse(&[]).err(), Some(KeyListError::Empty));
        assert_eq!(parse(&[RFC_KEY, "?"]).err(), Some(KeyListError::NotBase64(2)));
        assert_eq!(parse(&["AAAA"]).err(), Some(KeyListError::NotEd25519(1)));
        assert_eq!(parse(&[RFC_KEY, RFC_KEY]).err(), Some(KeyListError::Repeated(2)));
        for bad in ["", "AAAA", "?", RFC_KEY] {
            assert_eq!(SealPublicKey::parse(bad), None, "{bad}");
        }
    }
}
