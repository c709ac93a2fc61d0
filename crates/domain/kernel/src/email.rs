//! Email addresses in one canonical form, so that two spellings never become two users.

use serde::{Serialize, Serializer};
use std::fmt;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The text is not an accepted email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an email address")]
pub struct EmailError;

/// A mailbox, `local@domain`: NFC, lower-case, at most 254 bytes, without comments, quotes, lists or a trailing dot.
/// The domain is in its ASCII form, `xn--…` (RFC 5891), which every mail server accepts.
///
/// RFC 5321 allows a server to distinguish `Ada@` from `ada@`. No server in use does, and users do not, so the whole
/// address is folded.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Maximum length in bytes (RFC 5321, section 4.5.3.1.3, without the brackets).
    pub const MAX_BYTES: usize = 254;
    const MAX_LOCAL_BYTES: usize = 64;
    const MAX_LABEL_BYTES: usize = 63;

    /// Parses an address into its canonical form.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.len() > 4 * Self::MAX_BYTES {
            return Err(EmailError);
        }
        let folded: String = text.trim().nfc().flat_map(char::to_lowercase).nfc().collect();
        let (local, domain) = folded.split_once('@').ok_or(EmailError)?;
        if !is_nfc(&folded) || !is_local(local) || !is_domain(domain) {
            return Err(EmailError);
        }
        // In a domain, the two forms of sigma are two letters (RFC 5892, section 2.6).
        let local: String = local.chars().map(without_final_form).collect();
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| EmailError)?;
        let address = format!("{local}@{domain}");
        if address.len() <= Self::MAX_BYTES { Ok(Self(address)) } else { Err(EmailError) }
    }

    /// Returns the canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part before the `@`.
    pub fn local(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }
}

/// Maps the final form of small sigma to the other: both belong to one capital sigma.
fn without_final_form(letter: char) -> char {
    if letter == 'ς' { 'σ' } else { letter }
}

/// Accepts a `Dot-string` (RFC 5321) with the non-ASCII letters and digits of RFC 6531.
fn is_local(local: &str) -> bool {
    local.len() <= EmailAddress::MAX_LOCAL_BYTES
        && local.split('.').all(|atom| {
            !atom.is_empty() && atom.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
        })
        && !has_compatibility_forms(local)
}

/// Accepts a host name of at least two labels. The last label is not a number, so that IPv4 addresses are refused.
fn is_domain(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    labels.len() >= 2
        && labels.iter().all(|label| {
            !label.is_empty()
                && label.len() <= EmailAddress::MAX_LABEL_BYTES
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
        && labels.last().is_some_and(|last| !last.chars().all(|c| c.is_ascii_digit()))
        && !has_compatibility_forms(domain)
}

/// Returns whether the text has full-width letters, ligatures or similar forms. They look like plain letters, so two
/// users would share one appearance.
fn has_compatibility_forms(text: &str) -> bool {
    !text.nfkc().eq(text.chars())
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        EmailAddress::parse(text).ok().map(|a| a.0)
    }

    #[test]
    fn re5_spellings_of_one_address_are_one() {
        assert_eq!(canonical(" Ada.Lovelace@Example.COM "), Some("ada.lovelace@example.com".into()));
        assert_eq!(canonical("jose\u{301}@example.com"), canonical("josé@example.com"));
        assert_eq!(canonical("a@BÜCHER.example").as_deref(), Some("a@xn--bcher-kva.example"));
        assert_eq!(canonical("a@xn--bcher-kva.example"), canonical("a@bücher.example"));
        assert_eq!(canonical("a@straße.example").as_deref(), Some("a@xn--strae-oqa.example"));
        assert_eq!(canonical("ΝΙΚΟΣ@example.com"), canonical("νικος@example.com"));
        assert_eq!(canonical("a+b@sub.example.co"), Some("a+b@sub.example.co".into()));
    }

    #[test]
    fn re5_what_is_not_one_mailbox_is_refused() {
        for bad in [
            "",
            "a",
            "@example.com",
            "a@",
            "a@b",
            "a@b.",
            "a@.b.c",
            "a@example.com.",
            "a@@example.com",
            "a@b@example.com",
            "a,b@example.com",
            "a@example.com,b@example.com",
            "a b@example.com",
            "\"a\"@example.com",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "<a@example.com>",
            "a\n@example.com",
            "a＠example.com",
            "a@ｅxample.com",
            ".a@example.com",
            "a.@example.com",
            "a..b@example.com",
            "a@-x.com",
            "a@x-.com",
            "a\u{0}@example.com",
            "a(c)@example.com",
            "ﬁ@example.com",
            "a@xn--.example",
            "a@xn--a.example",
        ] {
            assert_eq!(canonical(bad), None, "{bad:?}");
        }
        assert_eq!(canonical(&format!("{}@example.com", "a".repeat(65))), None);
        assert_eq!(canonical(&format!("a@{}.com", "b".repeat(64))), None);
        assert_eq!(canonical(&"a".repeat(5000)), None);
    }
}
