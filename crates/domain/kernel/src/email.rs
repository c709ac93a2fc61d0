//! E-mail addresses in one canonical form, so that two spellings never are two people.

use serde::{Serialize, Serializer};
use std::fmt;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Why a text is not an address that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an e-mail address")]
pub struct EmailError;

/// One mailbox, `local@domain`: NFC, lower-case, at most 254 bytes, no comments, quotes, lists or trailing dot. The domain is
/// in its ASCII form, `xn--…` (RFC 5891), which every mail server takes.
///
/// RFC 5321 lets a server tell `Ada@` from `ada@`; none in use does, and people do not, so the whole address is folded.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The longest address, in bytes (RFC 5321, 4.5.3.1.3 less the brackets).
    pub const MAX_BYTES: usize = 254;
    const MAX_LOCAL_BYTES: usize = 64;
    const MAX_LABEL_BYTES: usize = 63;

    /// Brings an address to its canonical form.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.len() > 4 * Self::MAX_BYTES {
            return Err(EmailError);
        }
        let folded: String = text.trim().nfc().flat_map(char::to_lowercase).nfc().collect();
        let (local, domain) = folded.split_once('@').ok_or(EmailError)?;
        if !is_nfc(&folded) || !is_local(local) || !is_domain(domain) {
            return Err(EmailError);
        }
        // In a domain the two are two letters (RFC 5892, 2.6).
        let local: String = local.chars().map(without_final_form).collect();
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| EmailError)?;
        let address = format!("{local}@{domain}");
        if address.len() <= Self::MAX_BYTES { Ok(Self(address)) } else { Err(EmailError) }
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }
}

/// Both small letters belong to one great sigma.
fn without_final_form(letter: char) -> char {
    if letter == 'ς' { 'σ' } else { letter }
}

/// RFC 5321 `Dot-string`, and RFC 6531's non-ASCII letters and digits.
fn is_local(local: &str) -> bool {
    local.len() <= EmailAddress::MAX_LOCAL_BYTES
        && local.split('.').all(|atom| {
            !atom.is_empty() && atom.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
        })
        && !has_compatibility_forms(local)
}

/// A host name of at least two labels; the last is not a number, so that bare IPv4 addresses are none.
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

/// Full-width letters, ligatures and the like are look-alikes of plain ones: two people would share one picture.
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
