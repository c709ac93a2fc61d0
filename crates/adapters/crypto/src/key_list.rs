//! Parses and writes lists of keys in the configuration. The first key of a list creates, all of them verify.
//!
//! An entry is `BASE64` (for server secrets also `ID:BASE64`). `admin rotate-keys` adds a mark to record the state of a
//! rotation: `@next-20261101T120000Z` for a key that will become the first, `@old-20261101T120000Z` for a key that will
//! be dropped. The time in the mark is the time at which the mark was set.

use base64::{
    Engine,
    alphabet::{self, Alphabet},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use chrono::NaiveDateTime;
use secrecy::{ExposeSecret, SecretString};
use tenantry_kernel::Timestamp;
use zeroize::Zeroizing;

/// Describes an invalid list of keys. Names the entry, counted from 1, and never repeats its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyListError {
    /// The list is empty.
    #[error("there is no key")]
    Empty,
    /// The entry is neither standard nor URL-safe base64.
    #[error("entry {0} is not base64")]
    NotBase64(usize),
    /// The entry is base64, but not an Ed25519 private key.
    #[error("entry {0} is not an Ed25519 private key in PKCS#8 DER form")]
    NotEd25519(usize),
    /// The secret is too short to resist guessing.
    #[error("entry {0} holds fewer than 32 bytes")]
    TooShort(usize),
    /// The id is not 1 to 32 letters, digits, `-` and `_`.
    #[error("the id of entry {0} is not 1 to 32 letters, digits, hyphens and underscores")]
    BadId(usize),
    /// The text after `@` is not a rotation mark.
    #[error("the mark of entry {0} is not next- or old- and a time such as 20261101T120000Z")]
    BadMark(usize),
    /// The key or the id is the same as that of an earlier entry.
    #[error("entry {0} repeats an earlier one")]
    Repeated(usize),
}

/// State of a key other than the first in a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Published since this time; will become the first key.
    Next(Timestamp),
    /// Only verifies since this time; will be dropped.
    Old(Timestamp),
}

/// A parsed entry of a list.
#[derive(Clone)]
pub(crate) struct KeyEntry {
    /// The text before the mark.
    pub(crate) body: SecretString,
    /// The key's state in a rotation.
    pub(crate) mark: Option<Mark>,
}

const MARK_TIME: &str = "%Y%m%dT%H%M%SZ";

impl Mark {
    fn parse(text: &str) -> Option<Self> {
        let (role, since) = text.split_once('-')?;
        let since = Timestamp::new(NaiveDateTime::parse_from_str(since, MARK_TIME).ok()?.and_utc());
        match role {
            "next" => Some(Self::Next(since)),
            "old" => Some(Self::Old(since)),
            _ => None,
        }
    }

    fn write(self) -> String {
        let (role, since) = match self {
            Self::Next(since) => ("next", since),
            Self::Old(since) => ("old", since),
        };
        format!("@{role}-{}", since.utc().format(MARK_TIME))
    }
}

impl KeyEntry {
    /// Parses every entry of a list.
    pub(crate) fn parse_all(list: &[SecretString]) -> Result<Vec<Self>, KeyListError> {
        list.iter().zip(1..).map(|(text, position)| Self::parse(text.expose_secret(), position)).collect()
    }

    fn parse(text: &str, position: usize) -> Result<Self, KeyListError> {
        let (body, mark) = match text.split_once('@') {
            None => (text, None),
            Some((body, mark)) => (body, Some(Mark::parse(mark).ok_or(KeyListError::BadMark(position))?)),
        };
        Ok(Self { body: SecretString::from(body), mark })
    }

    /// Returns the entry in the form of the configuration.
    pub(crate) fn write(&self) -> SecretString {
        let mark = self.mark.map(Mark::write).unwrap_or_default();
        SecretString::from(format!("{}{mark}", self.body.expose_secret()))
    }

    /// Returns the same key with another mark.
    pub(crate) fn marked(self, mark: Option<Mark>) -> Self {
        Self { mark, ..self }
    }
}

/// Decodes standard or URL-safe base64, with or without padding (RFC 4648, sections 4 and 5).
pub(crate) fn decode_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    lenient(alphabet).decode(text).ok().map(Zeroizing::new)
}

fn lenient(alphabet: &Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<KeyEntry, KeyListError> {
        KeyEntry::parse(text, 1)
    }

    #[test]
    fn every_common_spelling_of_base64_is_taken() {
        for text in ["+/+/AQ==", "+/+/AQ", "-_-_AQ==", "-_-_AQ"] {
            assert_eq!(decode_base64(text).as_deref(), Some(&vec![0xfb, 0xff, 0xbf, 1]), "{text}");
        }
        for text in ["+/-_", "A", "=", "AQ==\n", " AQ==", "ÄÖ"] {
            assert!(decode_base64(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_mark_survives_its_text() {
        for text in ["AAAA@next-20261101T120000Z", "k1:AAAA@old-20260102T030405Z", "AAAA"] {
            assert_eq!(parse(text).map(|entry| entry.write().expose_secret().to_owned()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_mark_is_refused() {
        for text in
            ["AAAA@", "AAAA@next", "AAAA@next-", "AAAA@new-20261101T120000Z", "AAAA@old-2026", "A@old-20261301T120000Z"]
        {
            assert_eq!(parse(text).err(), Some(KeyListError::BadMark(1)), "{text}");
        }
    }
}
