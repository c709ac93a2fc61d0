//! Names that users choose, and the folded keys for comparing and searching them.

use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use serde::{Serialize, Serializer};
use std::fmt;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Reasons why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The text is empty after trimming.
    #[error("must not be empty")]
    Empty,
    /// The text has more characters than the field allows.
    #[error("is too long")]
    TooLong,
    /// The text holds a control character, a line or paragraph separator, or an unpaired direction mark.
    #[error("must not contain control characters")]
    Control,
}

/// Trims and NFC-normalizes a single line of at most `max` characters. An empty line is accepted.
pub fn bounded_line(text: &str, max: usize) -> Result<String, TextError> {
    if text.len() > max.saturating_mul(16) {
        return Err(TextError::TooLong);
    }
    let line: String = text.trim().nfc().collect();
    if line.chars().any(|c| c.is_control() || breaks_or_reorders_lines(c)) {
        return Err(TextError::Control);
    }
    if line.chars().count() > max { Err(TextError::TooLong) } else { Ok(line) }
}

fn breaks_or_reorders_lines(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Returns whether a character is shown as nothing: a soft hyphen, a joiner, a variation selector or a filler.
fn is_ignorable(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Returns whether a character belongs to words: a visible letter, mark or digit. Many scripts write vowels as marks.
pub fn is_word_char(c: char) -> bool {
    (c.is_alphanumeric() || is_combining_mark(c)) && !is_ignorable(c)
}

/// Returns the folded key for comparing and searching: NFKC, lower-case. It is computed here, so that it is the same on
/// every database.
pub fn fold(text: &str) -> String {
    text.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// Returns the smallest text greater than every text that starts with `prefix`, in the byte order of UTF-8, so that a
/// prefix search is a range. `None` when there is no such text.
pub fn upper_bound(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            c => char::from_u32(u32::from(c) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// The name of a user or a tenant: 1 to 120 characters on one line, NFC.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Name(String);

impl Name {
    /// Maximum length in characters.
    pub const MAX_CHARS: usize = 120;

    /// Parses a name; trims and normalizes it.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let line = bounded_line(text, Self::MAX_CHARS)?;
        if line.is_empty() { Err(TextError::Empty) } else { Ok(Self(line)) }
    }

    /// Returns the name for display.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_joins_spellings_that_people_hold_for_one() {
        assert_eq!(fold(" ÅNGSTRÖM "), fold("a\u{30a}ngstro\u{308}m"));
        assert_eq!(fold("ﬁx"), "fix");
    }

    #[test]
    fn a_prefix_becomes_a_range() {
        assert_eq!(upper_bound("ab").as_deref(), Some("ac"));
        assert_eq!(upper_bound("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(upper_bound("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(upper_bound(""), None);
    }

    #[test]
    fn a_name_is_one_visible_line() {
        assert_eq!(Name::parse("  Ada  ").map(|n| n.to_string()), Ok("Ada".into()));
        assert_eq!(Name::parse(" \t "), Err(TextError::Empty));
        assert_eq!(Name::parse("a\nb"), Err(TextError::Control));
        assert_eq!(Name::parse("a\u{0}b"), Err(TextError::Control));
        assert_eq!(Name::parse("a\u{2028}b"), Err(TextError::Control));
        assert_eq!(Name::parse("a\u{202E}b"), Err(TextError::Control));
        assert_eq!(Name::parse(&"é".repeat(120)).map(|n| n.as_str().chars().count()), Ok(120));
        assert_eq!(Name::parse(&"é".repeat(121)), Err(TextError::TooLong));
    }
}
