use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// The parts of a request that its fingerprint covers.
#[derive(Debug, Clone)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// The value of `If-Match` as sent.
    pub if_match: Option<String>,
    /// SHA-256 of the body; `None` if no body was read.
    pub body: Option<[u8; 32]>,
}

/// Recognizes a repeated request: HMAC-SHA256 (RFC 2104) under a server key. A body can hold a password, which a bare
/// hash would expose to guessing.
#[derive(Clone)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Computes the fingerprint of a request under a key.
    pub fn of(request: &Request, key: &[u8; 32]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes any length"));
        let parts = [
            Some(request.method.as_bytes()),
            Some(request.target.as_bytes()),
            request.if_match.as_deref().map(str::as_bytes),
            request.body.as_ref().map(<[u8; 32]>::as_slice),
        ];
        for part in parts {
            // An absent part differs from an empty one, and no part runs into the next.
            mac.update(&part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            mac.update(part.unwrap_or_default());
        }
        Self(mac.finalize().into_bytes().into())
    }

    /// Creates a fingerprint from stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Fingerprint {}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request { method: "POST".into(), target: "/api/v1/roles".into(), if_match: None, body: Some([7; 32]) }
    }

    #[test]
    fn every_part_counts_and_none_runs_into_the_next() {
        let key = [1; 32];
        let all = [
            request(),
            Request { method: "PATCH".into(), ..request() },
            Request { method: "POST/".into(), target: "api/v1/roles".into(), ..request() },
            Request { target: "/api/v1/roles?x".into(), ..request() },
            Request { if_match: Some(String::new()), ..request() },
            Request { if_match: Some("\"1\"".into()), ..request() },
            Request { body: None, ..request() },
            Request { body: Some([8; 32]), ..request() },
        ];
        for (place, one) in all.iter().enumerate() {
            assert_eq!(Fingerprint::of(one, &key), Fingerprint::of(&one.clone(), &key));
            assert_ne!(Fingerprint::of(one, &key), Fingerprint::of(one, &[2; 32]), "{one:?}");
            for other in &all[..place] {
                assert_ne!(Fingerprint::of(one, &key), Fingerprint::of(other, &key), "{one:?} {other:?}");
            }
        }
    }

    /// Computed with Python's hmac and hashlib: a change would refuse repeated requests.
    #[test]
    fn a_stored_fingerprint_never_changes() {
        let bytes = hex::encode(Fingerprint::of(&request(), &[1; 32]).bytes());
        assert_eq!(bytes, "a4a12c06eff91b0718b3a8b31bf52f1eb3285f1a9f6c639055be9dff439eb33d");
    }
}
