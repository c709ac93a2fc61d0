//! Cache keys that no client can forge: use, version, tenant and escaped parts.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};
use tenantry_kernel::TenantId;

/// A use of the cache: one kind of value and its maximum age.
#[derive(Debug, PartialEq, Eq)]
pub struct Use {
    /// Name in keys and metrics: lower-case letters and hyphens.
    pub name: &'static str,
    /// Version of the values' format. It changes with the format, so that two releases can run side by side.
    pub version: u16,
    /// Maximum age of a value, counted from before it was read from the database.
    pub ttl: Duration,
}

/// All values of one use that belong to one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    usage: &'static Use,
    text: String,
}

impl Prefix {
    /// Returns the prefix of a tenant's values.
    pub fn new(usage: &'static Use, tenant: TenantId) -> Self {
        Self { usage, text: format!("{}:v{}:{tenant}", usage.name, usage.version) }
    }

    /// Returns the use that the prefix belongs to.
    pub fn usage(&self) -> &'static Use {
        self.usage
    }

    /// Returns the prefix as stored in the cache, without the separator that follows.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the key of one value. The parts may hold any text.
    pub fn key<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> CacheKey {
        let mut text = self.text.clone();
        for part in parts {
            text.push(':');
            escape(part, &mut text);
        }
        CacheKey { prefix: self.clone(), text }
    }
}

/// The key of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheKey {
    prefix: Prefix,
    text: String,
}

impl CacheKey {
    /// Returns the prefix that the key belongs to.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Returns the key as stored in the cache.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Escapes everything but letters, digits, `-`, `_` and `.` as `%XX`, so that no part contains a separator.
fn escape(part: &str, into: &mut String) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            into.push(char::from(byte));
        } else {
            let _infallible = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const COUNTS: Use = Use { name: "counts", version: 3, ttl: Duration::from_secs(1) };

    fn key(parts: &[&str]) -> String {
        let tenant = TenantId::from_uuid(Uuid::from_u128(7));
        Prefix::new(&COUNTS, tenant).key(parts.iter().copied()).to_string()
    }

    #[test]
    fn te5_separators_inside_parts_of_a_cache_key_join_nothing() {
        let texts = [
            key(&["a", "b"]),
            key(&["a:b"]),
            key(&["a%3Ab"]),
            key(&["a", "", "b"]),
            key(&["", "a:b"]),
            key(&["a b"]),
            key(&["a\nb"]),
            key(&["*"]),
            key(&["ä"]),
        ];
        for (place, text) in texts.iter().enumerate() {
            assert!(!texts[..place].contains(text), "{text}");
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*'), "{text}");
        }
    }

    #[test]
    fn te5_a_cache_key_begins_with_use_version_and_tenant() {
        assert_eq!(key(&["a:b", "c"]), "counts:v3:00000000-0000-0000-0000-000000000007:a%3Ab:c");
    }
}
