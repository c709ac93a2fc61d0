//! Public names: what clients, stored rows and other programs call a permission, an action or a kind of target.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// A public name. Crates declare theirs as constants; a name that is known only at run time comes from a stored row or
/// a file. Both kinds are equal when their text is, and cloning either is cheap.
#[derive(Clone)]
pub struct PublicName(Text);

#[derive(Clone)]
enum Text {
    Declared(&'static str),
    Stored(Arc<str>),
}

impl PublicName {
    /// The longest name that a crate may declare, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Declares a name: 1 to 64 bytes of `a-z`, `0-9`, `_`, `-`, `.` and `:`.
    ///
    /// # Panics
    ///
    /// When the name has another form; in a constant that is a compile error.
    pub const fn declared(name: &'static str) -> Self {
        assert!(is_well_formed(name), "a public name is 1 to 64 bytes of a-z, 0-9, _, -, . and :");
        Self(Text::Declared(name))
    }

    /// Takes a name as it is stored, whatever its form, because another program may have written it.
    pub fn from_stored(name: &str) -> Self {
        Self(Text::Stored(Arc::from(name)))
    }

    /// Returns the text of the name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Declared(name) => name,
            Text::Stored(name) => name,
        }
    }
}

const fn is_well_formed(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut place = 0;
    while place < bytes.len() {
        if !matches!(bytes[place], b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b':') {
            return false;
        }
        place += 1;
    }
    !bytes.is_empty() && bytes.len() <= PublicName::MAX_LEN
}

impl PartialEq for PublicName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for PublicName {}

impl PartialOrd for PublicName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for PublicName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for PublicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for PublicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for PublicName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for PublicName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::from_stored(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const DECLARED: PublicName = PublicName::declared("roles:create");

    #[test]
    fn a_stored_name_equals_the_declared_one_of_its_text() {
        let stored = PublicName::from_stored("roles:create");
        assert_eq!(DECLARED, stored);
        assert_eq!(HashSet::from([DECLARED, stored.clone()]).len(), 1);
        assert!(PublicName::from_stored("roles") < stored);
        assert_eq!((format!("{stored}"), format!("{stored:?}")), (DECLARED.to_string(), "roles:create".to_owned()));
    }

    #[test]
    fn only_a_name_of_the_public_form_is_declared() {
        for good in ["a", "sign_in.failed", "users:assign-roles", "s3", &"a".repeat(64)] {
            assert!(is_well_formed(good), "{good}");
        }
        for bad in ["", "A", "roles create", "größe", "roles*", "a\n", &"a".repeat(65)] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_of_any_form_is_read_back_as_it_was_written() {
        let strange = PublicName::from_stored("Fly Away!");
        let written = serde_json::to_string(&strange).unwrap();
        assert_eq!(written, "\"Fly Away!\"");
        assert_eq!(serde_json::from_str::<PublicName>(&written).unwrap(), strange);
    }
}
