use std::fmt;
use tenantry_kernel::{TenantId, UserId};

/// What a client names a request by, so that it can send it again: 1 to 255 visible characters of ASCII.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// The text cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 1 to 255 visible characters of ASCII")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// The most characters of a key.
    pub const MAX_CHARS: usize = 255;

    /// Takes a key as a client has sent it.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let is_key = (1..=Self::MAX_CHARS).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        let text = str::from_utf8(bytes).map_err(|_| InvalidKey)?;
        if is_key { Ok(Self(text.to_owned())) } else { Err(InvalidKey) }
    }

    /// The key as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({:?})", self.0)
    }
}

/// Where a key counts: the same text of another tenant, person or route is another key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Keyed {
    /// The tenant of the session, if it has one.
    pub tenant: Option<TenantId>,
    /// Who asks.
    pub person: UserId,
    /// What is asked for: a method and a path template.
    pub route: String,
    /// What the client has named it by.
    pub key: IdempotencyKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_word_of_visible_ascii() {
        for good in ["a", "0192f0c1-2345-7abc-8def-0123456789ab", "\"quoted\"", &"k".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(good.as_bytes()).map(|key| key.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", " ", "a b", "a\tb", "a\0", "schlüssel", "\u{7f}", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(bad.as_bytes()), Err(InvalidKey), "{bad:?}");
        }
        assert_eq!(IdempotencyKey::parse(b"\xff"), Err(InvalidKey));
    }
}
