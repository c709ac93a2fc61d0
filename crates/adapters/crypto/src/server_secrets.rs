//! Server secrets: the first creates, all verify. HKDF-SHA256 (RFC 5869) derives one key per purpose from each, so that
//! a key that leaks from one use is worthless for the others.

use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::{fmt, iter};
use tenantry_files::LinkKeys;
use tenantry_identity::RefreshKeys;
use tenantry_kernel::Entropy;
use zeroize::Zeroizing;

use crate::{
    KeyListError,
    key_list::{KeyEntry, decode_base64},
};

/// Purpose of a derived key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Refresh tokens.
    Refresh,
    /// Cursors of lists.
    Cursors,
    /// Secrets of jobs.
    Payloads,
    /// Fingerprints of requests with an idempotency key.
    Fingerprints,
    /// Signed links to files.
    Downloads,
}

impl Purpose {
    /// Returns the `info` of HKDF. It never changes once shipped: every session would end.
    const fn info(self) -> &'static [u8] {
        match self {
            Self::Refresh => b"tenantry/v1/refresh",
            Self::Cursors => b"tenantry/v1/cursors",
            Self::Payloads => b"tenantry/v1/payloads",
            Self::Fingerprints => b"tenantry/v1/fingerprints",
            Self::Downloads => b"tenantry/v1/downloads",
        }
    }
}

/// The live server secrets; at least one. Only derived keys are kept, and they are zeroized on drop.
pub struct ServerSecrets {
    first: ServerSecret,
    others: Vec<ServerSecret>,
}

struct ServerSecret {
    id: String,
    refresh: Zeroizing<[u8; 32]>,
    cursors: Zeroizing<[u8; 32]>,
    payloads: Zeroizing<[u8; 32]>,
    fingerprints: Zeroizing<[u8; 32]>,
    downloads: Zeroizing<[u8; 32]>,
}

impl ServerSecrets {
    const MIN_BYTES: usize = 32;
    const MAX_ID_CHARS: usize = 32;

    /// Parses secrets from the configuration: `BASE64` or `ID:BASE64` of at least 32 bytes. A secret without an id gets
    /// one derived from the secret, so that sessions can name it either way.
    pub fn parse(list: &[SecretString]) -> Result<Self, KeyListError> {
        let mut secrets: Vec<ServerSecret> = Vec::with_capacity(list.len());
        for (entry, position) in KeyEntry::parse_all(list)?.iter().zip(1..) {
            let secret = ServerSecret::parse(entry.body.expose_secret(), position)?;
            if secrets.iter().any(|known| known.id == secret.id) {
                return Err(KeyListError::Repeated(position));
            }
            secrets.push(secret);
        }
        let mut secrets = secrets.into_iter();
        let first = secrets.next().ok_or(KeyListError::Empty)?;
        Ok(Self { first, others: secrets.collect() })
    }

    /// Generates a secret in the form of the configuration.
    pub fn generate_one(entropy: &dyn Entropy) -> SecretString {
        let mut secret = Zeroizing::new([0; Self::MIN_BYTES]);
        entropy.fill(&mut *secret);
        SecretString::from(STANDARD.encode(secret.as_slice()))
    }

    /// Returns the id and the key that create.
    pub fn current(&self, purpose: Purpose) -> (&str, &[u8; 32]) {
        (&self.first.id, self.first.key(purpose))
    }

    /// Returns the key with this id while its secret is live.
    pub fn by_id(&self, purpose: Purpose, id: &str) -> Option<&[u8; 32]> {
        self.iter().find(|secret| secret.id == id).map(|secret| secret.key(purpose))
    }

    fn iter(&self) -> impl Iterator<Item = &ServerSecret> {
        iter::once(&self.first).chain(&self.others)
    }
}

impl RefreshKeys for ServerSecrets {
    fn current_id(&self) -> &str {
        self.current(Purpose::Refresh).0
    }

    fn key(&self, id: &str) -> Option<[u8; 32]> {
        self.by_id(Purpose::Refresh, id).copied()
    }
}

impl LinkKeys for ServerSecrets {
    fn current_link_key(&self) -> (&str, [u8; 32]) {
        let (id, key) = self.current(Purpose::Downloads);
        (id, *key)
    }

    fn link_key(&self, id: &str) -> Option<[u8; 32]> {
        self.by_id(Purpose::Downloads, id).copied()
    }
}

impl fmt::Debug for ServerSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|secret| &secret.id)).finish()
    }
}

impl ServerSecret {
    fn parse(text: &str, position: usize) -> Result<Self, KeyListError> {
        let (id, encoded) = match text.split_once(':') {
            None => (None, text),
            Some((id, encoded)) if is_id(id) => (Some(id), encoded),
            Some(_) => return Err(KeyListError::BadId(position)),
        };
        let secret = decode_base64(encoded).ok_or(KeyListError::NotBase64(position))?;
        if secret.len() < ServerSecrets::MIN_BYTES {
            return Err(KeyListError::TooShort(position));
        }
        Ok(Self {
            id: id.map_or_else(|| id_of(&secret), str::to_owned),
            refresh: derive(&secret, Purpose::Refresh),
            cursors: derive(&secret, Purpose::Cursors),
            payloads: derive(&secret, Purpose::Payloads),
            fingerprints: derive(&secret, Purpose::Fingerprints),
            downloads: derive(&secret, Purpose::Downloads),
        })
    }

    fn key(&self, purpose: Purpose) -> &[u8; 32] {
        match purpose {
            Purpose::Refresh => &self.refresh,
            Purpose::Cursors => &self.cursors,
            Purpose::Payloads => &self.payloads,
            Purpose::Fingerprints => &self.fingerprints,
            Purpose::Downloads => &self.downloads,
        }
    }
}

fn is_id(id: &str) -> bool {
    (1..=ServerSecrets::MAX_ID_CHARS).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Returns eight hexadecimal digits of a hash that serves no other purpose: enough to tell a few secrets apart, useless
/// for finding one.
fn id_of(secret: &[u8]) -> String {
    let hash = Sha256::new().chain_update(b"tenantry/v1/server-secret-id\0").chain_update(secret).finalize();
    hex::encode(&hash[..4])
}

fn derive(secret: &[u8], purpose: Purpose) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, secret).expand(purpose.info(), &mut *key).expect("32 bytes are one block of SHA-256");
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemEntropy;

    /// The bytes 0 to 31.
    const STORED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OTHER: &str = "//////////////////////////////////////////8=";

    fn parse(list: &[&str]) -> Result<ServerSecrets, KeyListError> {
        ServerSecrets::parse(&list.iter().map(|text| SecretString::from(*text)).collect::<Vec<_>>())
    }

    /// Computed with Python's hmac and hashlib: a change would end every session.
    #[test]
    fn the_keys_of_a_stored_secret_never_change() {
        let secrets = parse(&[STORED]).unwrap();
        let told = |purpose| {
            let (id, key) = secrets.current(purpose);
            (id.to_owned(), hex::encode(key))
        };
        let refresh = "c905f531a5897dac0d242b5ca016604cb9d9f2200229f50f44df0d911ea44593";
        let cursors = "913080f3057d6da8c95f605ab2942579601c61abb564621d62a7295c8e7976b8";
        let payloads = "6ccd3557baf33482cf7f30a0e3bf107b268a8583c6b296a719c0a969c607974b";
        let fingerprints = "315e345073e63f628dfc1425eb0648cf2f28595f0857034d650a73201d6a43d3";
        assert_eq!(told(Purpose::Refresh), ("4c75b8ad".into(), refresh.into()));
        assert_eq!(told(Purpose::Cursors), ("4c75b8ad".into(), cursors.into()));
        assert_eq!(told(Purpose::Payloads), ("4c75b8ad".into(), payloads.into()));
        assert_eq!(told(Purpose::Fingerprints), ("4c75b8ad".into(), fingerprints.into()));
        let downloads = "7d17693aa7aeea0160d266f2f584961ed93b7dc3b9cab0975d11eb5deebde2ed";
        assert_eq!(told(Purpose::Downloads), ("4c75b8ad".into(), downloads.into()));
    }

    #[test]
    fn the_first_makes_and_all_verify() {
        let secrets = parse(&[&format!("k2:{OTHER}"), STORED]).unwrap();
        assert_eq!(secrets.current_id(), "k2");
        let (_, current) = secrets.current(Purpose::Refresh);
        assert_eq!(secrets.key("k2").as_ref(), Some(current));
        assert_eq!(secrets.key("4c75b8ad"), parse(&[STORED]).unwrap().key("4c75b8ad"));
        assert_ne!(secrets.key("k2"), secrets.key("4c75b8ad"));
        assert_eq!(secrets.key("k1"), None);
        assert_eq!(parse(&[STORED]).unwrap().key("k2"), None);
    }

    #[test]
    fn an_id_names_a_secret_and_changes_no_key() {
        let named = parse(&[&format!("k1:{STORED}@old-20261101T120000Z")]).unwrap();
        assert_eq!(named.key("k1"), parse(&[STORED]).unwrap().key("4c75b8ad"));
    }

    #[test]
    fn a_new_secret_can_be_read_back() {
        let list = [ServerSecrets::generate_one(&SystemEntropy), ServerSecrets::generate_one(&SystemEntropy)];
        assert!(ServerSecrets::parse(&list).is_ok());
    }

    #[test]
    fn a_bad_list_names_the_entry_and_never_repeats_it() {
        for (list, error) in [
            (vec![], KeyListError::Empty),
            (vec![STORED, "planted!"], KeyListError::NotBase64(2)),
            (vec!["k1:k2:AAAA"], KeyListError::NotBase64(1)),
            (vec![""], KeyListError::TooShort(1)),
            (vec!["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg"], KeyListError::TooShort(1)),
            (vec![":AAAA"], KeyListError::BadId(1)),
            (vec!["planted key:AAAA"], KeyListError::BadId(1)),
            (vec![STORED, STORED], KeyListError::Repeated(2)),
        ] {
            let told = parse(&list).map(|_| ()).unwrap_err();
            assert_eq!(told, error);
            assert!(!told.to_string().contains("planted"));
        }
        let twice = [format!("k1:{STORED}"), format!("k1:{OTHER}")].map(SecretString::from);
        assert_eq!(ServerSecrets::parse(&twice).err(), Some(KeyListError::Repeated(2)));
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", parse(&[STORED]).unwrap()), "[\"4c75b8ad\"]");
    }
}
