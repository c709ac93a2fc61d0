//! Names that users choose, and the folded keys for comparing and searching them.

use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use serde::{Serialize, Serializer};
use std::{fmt, ops::RangeInclusive};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Reasons why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The text shows nothing: it is empty, or consists of white space and default-ignorable characters.
    #[error("must have a visible character")]
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

/// Trims and NFC-normalizes a single line of 1 to `max` characters, of which one can be seen.
pub fn visible_line(text: &str, max: usize) -> Result<String, TextError> {
    let line = bounded_line(text, max)?;
    if line.chars().any(is_visible) { Ok(line) } else { Err(TextError::Empty) }
}

/// Reads a stored line of 1 to `max` characters, which an older version may have accepted without a visible one.
pub fn stored_line(text: &str, max: usize) -> Result<String, TextError> {
    let line = bounded_line(text, max)?;
    if line.is_empty() { Err(TextError::Empty) } else { Ok(line) }
}

/// Returns whether a character has a shape. The empty cell of Braille is a letter to Unicode.
fn is_visible(c: char) -> bool {
    const EMPTY_BRAILLE: char = '\u{2800}';
    !is_ignorable(c) && !c.is_whitespace() && c != EMPTY_BRAILLE
}

fn breaks_or_reorders_lines(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Returns whether a character is shown as nothing: a soft hyphen, a joiner, a variation selector or a filler.
fn is_ignorable(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Returns the ranges of the characters that are shown as nothing, which [`fold`] leaves out.
pub fn ignorable_ranges() -> impl Iterator<Item = RangeInclusive<char>> {
    let ranges = CodePointSetData::new::<DefaultIgnorableCodePoint>().iter_ranges();
    ranges.filter_map(|range| Some(char::from_u32(*range.start())?..=char::from_u32(*range.end())?))
}

/// Returns whether a character belongs to words: a visible letter, mark or digit. Many scripts write vowels as marks.
pub fn is_word_char(c: char) -> bool {
    (c.is_alphanumeric() || is_combining_mark(c)) && !is_ignorable(c)
}

/// Returns the folded key for comparing and searching: NFKC, lower-case, without characters that are shown as nothing.
/// It is computed here, so that it is the same on every database.
pub fn fold(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !is_ignorable(*c)).collect();
    visible.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect()
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

/// The name of a user or a tenant: 1 to 120 characters on one line, NFC, of which one can be seen.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Name(String);

impl Name {
    /// Maximum length in characters.
    pub const MAX_CHARS: usize = 120;

    /// Parses a name; trims and normalizes it.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        visible_line(text, Self::MAX_CHARS).map(Self)
    }

    /// Reads a stored name.
    pub fn from_stored(text: &str) -> Result<Self, TextError> {
        stored_line(text, Self::MAX_CHARS).map(Self)
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
    fn folding_leaves_out_what_is_shown_as_nothing() {
        for name in ["admin\u{200b}", "ad\u{ad}min", "\u{2060}admin", "admin\u{fe0f}", " \u{200d} Admin\u{e0041}"] {
            assert_eq!(fold(name), "admin", "{name:?}");
        }
        assert_eq!(fold("\u{3164}"), "");
        assert_ne!(fold("a\u{301}"), fold("a"));
    }

    #[test]
    fn the_ranges_are_those_that_folding_leaves_out() {
        let mut chars = ignorable_ranges().flatten().peekable();
        assert!(chars.peek().is_some());
        assert!(chars.all(|c| fold(&format!("a{c}b")) == "ab"));
        assert!(!ignorable_ranges().any(|range| range.contains(&'a') || range.contains(&'-')));
    }

    #[test]
    fn a_name_without_a_visible_character_is_read_and_not_taken() {
        for name in ["\u{200b}", "\u{3164}", "\u{2800}", "\u{ad} \u{2800}", "\u{115f}\u{1160}"] {
            assert_eq!(Name::parse(name), Err(TextError::Empty), "{name:?}");
            assert_eq!(Name::from_stored(name).map(|n| n.to_string()), Ok(name.to_owned()));
        }
        assert_eq!(Name::from_stored(""), Err(TextError::Empty));
        assert_eq!(Name::parse("क्\u{200d}ष").map(|n| n.to_string()), Ok("क्\u{200d}ष".into()), "it is shown as it is");
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
