//! Email addresses in one canonical form, so that two spellings never become two users.

use serde::{Serialize, Serializer};
use std::fmt;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark, is_nfc};

use crate::is_word_char;

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

    /// Parses an address into its canonical form.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.len() > 4 * Self::MAX_BYTES {
            return Err(EmailError);
        }
        let folded: String = text.trim().nfc().flat_map(char::to_lowercase).nfc().collect();
        let (local, domain) = folded.split_once('@').ok_or(EmailError)?;
        if !is_nfc(&folded) || !is_local(local) {
            return Err(EmailError);
        }
        // In a domain, the two forms of sigma are two letters (RFC 5892, section 2.6).
        let local: String = local.chars().map(without_final_form).collect();
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| EmailError)?;
        let address = format!("{local}@{domain}");
        if is_host(&domain) && address.len() <= Self::MAX_BYTES { Ok(Self(address)) } else { Err(EmailError) }
    }

    /// Reads a stored canonical form. It is not parsed again, because another version may have accepted it.
    pub fn from_stored(text: String) -> Result<Self, EmailError> {
        if text.contains('@') { Ok(Self(text)) } else { Err(EmailError) }
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

/// Accepts a `Dot-string` (RFC 5321) with the non-ASCII letters, marks and digits of RFC 6531.
fn is_local(local: &str) -> bool {
    local.len() <= EmailAddress::MAX_LOCAL_BYTES
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && !atom.starts_with(is_combining_mark)
                && atom.chars().all(|c| is_word_char(c) || "!#$%&'*+-/=?^_`{|}~".contains(c))
        })
        && !has_compatibility_forms(local)
}

/// Accepts a host name in ASCII of at least two labels. The last label is not a number, so that IPv4 addresses are
/// refused.
fn is_host(domain: &str) -> bool {
    domain.rsplit_once('.').is_some_and(|(_, last)| !last.bytes().all(|b| b.is_ascii_digit()))
}

/// Letters of everyday Thai, Lao and Armenian that Unicode decomposes for compatibility only.
const EVERYDAY: [char; 5] = ['\u{e33}', '\u{eb3}', '\u{edc}', '\u{edd}', '\u{587}'];

/// The decompositions of the first two: no keyboard types them, and they look the same.
const LOOK_ALIKE: [&str; 2] = ["\u{e4d}\u{e32}", "\u{ecd}\u{eb2}"];

/// Returns whether the text has full-width letters, ligatures or similar forms. They look like plain letters, so two
/// users would share one appearance.
fn has_compatibility_forms(text: &str) -> bool {
    let others = || text.chars().filter(|c| !EVERYDAY.contains(c));
    !others().nfkc().eq(others()) || LOOK_ALIKE.iter().any(|form| text.contains(form))
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
    fn re5_every_script_has_addresses() {
        for address in [
            "संपर्क@example.com",
            "उत्तम@example.com",
            "ผู้ใช้@example.com",
            "น้ำ@example.com",
            "ນ້ຳ@example.com",
            "և@example.com",
            "தமிழ்@example.com",
            "شَكل@example.com",
            "пример@example.com",
            "名前@example.com",
        ] {
            assert_eq!(canonical(address).as_deref(), Some(address));
        }
        for (domain, ascii) in [
            ("डाटामेल.भारत", "xn--c2bd4bq1db8d.xn--h2brj9c"),
            ("हिन्दी.com", "xn--j2bd4cyah0f.com"),
            ("தமிழ்.இந்தியா", "xn--rlcus7b3d.xn--xkc2dl3a5ee0h"),
            ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
            ("น้ำ.ไทย", "xn--q3c4c8cq.xn--o3cw4h"),
            ("ｅxample.com", "example.com"),
            ("例え。jp", "xn--r8jz45g.jp"),
        ] {
            assert_eq!(canonical(&format!("user@{domain}")), Some(format!("user@{ascii}")));
            assert_eq!(canonical(&format!("user@{ascii}")), Some(format!("user@{ascii}")), "{domain}");
        }
    }

    #[test]
    fn re5_a_stored_address_is_read_as_it_is() {
        for stored in ["☺@example.com", "a@b", "ada@example.com"] {
            assert_eq!(EmailAddress::from_stored(stored.to_owned()).map(|a| a.0), Ok(stored.to_owned()));
        }
        assert_eq!(EmailAddress::from_stored("nowhere".to_owned()), Err(EmailError));
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
            ".a@example.com",
            "a.@example.com",
            "a..b@example.com",
            "a@-x.com",
            "a@x-.com",
            "a\u{0}@example.com",
            "a(c)@example.com",
            "ﬁ@example.com",
            "ａ@example.com",
            "☺@example.com",
            "a\u{200b}@example.com",
            "a\u{ad}@example.com",
            "a\u{fe0f}@example.com",
            "a\u{34f}b@example.com",
            "\u{301}a@example.com",
            "a.\u{301}b@example.com",
            "น\u{e4d}\u{e32}@example.com",
            "a@exa_mple.com",
            "a@127。0。0。1",
            "a@example。",
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
