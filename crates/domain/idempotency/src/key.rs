use std::fmt;
use tenantry_kernel::{TenantId, UserId};

/// An idempotency key: 1 to 255 visible ASCII characters by which a client names a request, so that the client can
/// repeat the request.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// The text is not a valid idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 1 to 255 visible characters of ASCII")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Maximum number of characters.
    pub const MAX_CHARS: usize = 255;

    /// Parses the value of the header.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let is_key = (1..=Self::MAX_CHARS).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        let text = str::from_utf8(bytes).map_err(|_| InvalidKey)?;
        if is_key { Ok(Self(text.to_owned())) } else { Err(InvalidKey) }
    }

    /// Returns the key as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({:?})", self.0)
    }
}

/// The scope of a key: the same text in another tenant, by another user or on another route is another key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyScope {
    /// The tenant of the session, if it has one.
    pub tenant: Option<TenantId>,
    /// The user who sends the request.
    pub person: UserId,
    /// Method and path template of the operation.
    pub route: String,
    /// The key that the client chose.
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
