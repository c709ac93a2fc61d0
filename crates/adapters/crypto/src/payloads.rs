//! Seals secrets of jobs with AES-256-GCM (NIST SP 800-38D) under a derived key that serves only this purpose.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use secrecy::{ExposeSecret, SecretString};
use tenantry_jobs::{JobSecret, SealError, SealedSecret, Sealer};
use zeroize::Zeroizing;

use crate::{Purpose, ServerSecrets};

impl Sealer for ServerSecrets {
    fn seal(&self, secret: &JobSecret, context: &[u8]) -> Result<SealedSecret, SealError> {
        let (key_id, key) = self.current(Purpose::Payloads);
        let mut sealed = secret.text.expose_secret().as_bytes().to_vec();
        let nonce = cipher(key)?.seal_in_place_append_tag(Aad::from(context), &mut sealed).map_err(SealError::new)?;
        let bytes = [nonce.as_ref().as_slice(), &sealed].concat();
        Ok(SealedSecret { key_id: key_id.to_owned(), bytes, expires_at: secret.expires_at })
    }

    fn open(&self, sealed: &SealedSecret, context: &[u8]) -> Result<JobSecret, SealError> {
        let key = self.by_id(Purpose::Payloads, &sealed.key_id).ok_or_else(|| SealError::new("its key was dropped"))?;
        let (nonce, bytes) =
            sealed.bytes.split_at_checked(NONCE_LEN).ok_or_else(|| SealError::new("it is too short"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(SealError::new)?;
        let mut bytes = Zeroizing::new(bytes.to_vec());
        let text = cipher(key)?.open_in_place(nonce, Aad::from(context), &mut bytes).map_err(SealError::new)?;
        let text = std::str::from_utf8(text).map_err(SealError::new)?;
        Ok(JobSecret { text: SecretString::from(text), expires_at: sealed.expires_at })
    }
}

fn cipher(key: &[u8; 32]) -> Result<RandomizedNonceKey, SealError> {
    RandomizedNonceKey::new(&AES_256_GCM, key).map_err(SealError::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemEntropy;
    use tenantry_kernel::Timestamp;

    fn secret(text: &str) -> JobSecret {
        JobSecret { text: SecretString::from(text), expires_at: Timestamp::from_unix_millis(1_000).unwrap() }
    }

    fn secrets() -> [SecretString; 2] {
        [ServerSecrets::generate_one(&SystemEntropy), ServerSecrets::generate_one(&SystemEntropy)]
    }

    #[test]
    fn a_secret_opens_for_what_it_was_sealed_for_and_for_nothing_else() {
        let keys = ServerSecrets::parse(&secrets()).unwrap();
        let sealed = keys.seal(&secret("planted-token"), b"job 1").unwrap();
        assert!(!sealed.bytes.windows(7).any(|part| part == b"planted"));
        let opened = keys.open(&sealed, b"job 1").unwrap();
        assert_eq!((opened.text.expose_secret(), opened.expires_at), ("planted-token", sealed.expires_at));
        assert!(keys.open(&sealed, b"job 2").is_err());
        for place in 0..sealed.bytes.len() {
            let mut flipped = sealed.clone();
            flipped.bytes[place] ^= 1;
            assert!(keys.open(&flipped, b"job 1").is_err(), "byte {place}");
        }
        let short = SealedSecret { bytes: sealed.bytes[..5].to_vec(), ..sealed };
        assert!(keys.open(&short, b"job 1").is_err());
    }

    #[test]
    fn two_seals_of_one_secret_differ_and_a_rotated_key_still_opens() {
        let [old, new] = secrets();
        let before = ServerSecrets::parse(std::slice::from_ref(&old)).unwrap();
        let sealed = before.seal(&secret("token"), b"job").unwrap();
        assert_ne!(sealed, before.seal(&secret("token"), b"job").unwrap());
        let rotated = ServerSecrets::parse(&[new.clone(), old]).unwrap();
        assert_eq!(rotated.open(&sealed, b"job").unwrap().text.expose_secret(), "token");
        assert!(ServerSecrets::parse(&[new]).unwrap().open(&sealed, b"job").is_err());
    }
}
