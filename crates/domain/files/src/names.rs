//! Names of files. A name is shown and searched; no storage key contains it.

use std::fmt::{self, Write as _};
use tenantry_kernel::{TextError, bounded_line, fold};

/// The name of a file: 1 to 255 characters on one line, without a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// Maximum length in characters.
    pub const MAX_CHARS: usize = 255;

    /// Parses and normalizes a name. Some clients send a whole path: everything before the last `/` or `\` is removed.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
        let line = bounded_line(last, Self::MAX_CHARS)?;
        if line.chars().all(|c| c == '.') { Err(TextError::Empty) } else { Ok(Self(line)) }
    }

    /// Returns the name for display.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the folded name, which searches and sorting use.
    pub fn key(&self) -> String {
        fold(&self.0)
    }

    /// Returns the text after the last dot in lower case; empty when there is no dot.
    pub fn extension(&self) -> String {
        self.0.rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).unwrap_or_default()
    }

    /// Returns the `Content-Disposition` with which a browser saves the file under its name instead of showing it (RFC
    /// 6266). Characters that older clients could misread appear only in `filename*` (RFC 8187).
    pub fn content_disposition(&self) -> String {
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ';
        let plain: String = self.0.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let mut field = format!("attachment; filename=\"{plain}\"");
        if plain != self.0 {
            field.push_str("; filename*=UTF-8''");
            for byte in self.0.bytes() {
                // attr-char of RFC 8187, section 3.2.1
                if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                    field.push(char::from(byte));
                } else {
                    let _infallible = write!(field, "%{byte:02X}");
                }
            }
        }
        field
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> FileName {
        FileName::parse(text).expect("a name")
    }

    #[test]
    fn folders_are_left_out_and_what_is_no_name_is_refused() {
        assert_eq!(name("C:\\fakepath\\a.png").as_str(), "a.png");
        assert_eq!(name("../../etc/a.png").as_str(), "a.png");
        assert_eq!(name(" e\u{301}.csv ").as_str(), "é.csv");
        for bad in ["", "  ", ".", "..", "a/", "a\\..", "..."] {
            assert_eq!(FileName::parse(bad), Err(TextError::Empty), "{bad:?}");
        }
        for bad in ["a\r\nb.png", "a\0.png", "a\u{202E}gnp.exe", "a\u{2028}.png"] {
            assert_eq!(FileName::parse(bad), Err(TextError::Control), "{bad:?}");
        }
        assert_eq!(FileName::parse(&"a".repeat(256)), Err(TextError::TooLong));
    }

    #[test]
    fn the_extension_stands_behind_the_last_dot() {
        assert_eq!(name("a.tar.PNG").extension(), "png");
        assert_eq!(name("png").extension(), "");
        assert_eq!(name(".json").extension(), "json");
    }

    #[test]
    fn fi1_plain_names_stand_as_they_are_and_others_also_encoded() {
        assert_eq!(name("a b.png").content_disposition(), "attachment; filename=\"a b.png\"");
        assert_eq!(
            name("€\".png").content_disposition(),
            "attachment; filename=\"__.png\"; filename*=UTF-8''%E2%82%AC%22.png"
        );
        assert_eq!(
            name("100%41.png").content_disposition(),
            "attachment; filename=\"100_41.png\"; filename*=UTF-8''100%2541.png"
        );
    }

    proptest! {
        #[test]
        fn fi1_no_name_breaks_out_of_its_header(text in "\\PC{1,40}") {
            if let Ok(name) = FileName::parse(&text) {
                let field = name.content_disposition();
                prop_assert!(field.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
                prop_assert_eq!(field.matches('"').count(), 2);
                prop_assert!(field.starts_with("attachment; filename=\""));
                prop_assert!(!field.contains('\\'));
            }
        }
    }
}
