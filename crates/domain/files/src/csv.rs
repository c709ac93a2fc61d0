//! Checks whether text is well-formed CSV, byte by byte and in constant memory.
//!
//! The rules are RFC 4180 plus what spreadsheet programs of all countries write: the separator may be a comma, a
//! semicolon, a tab or a vertical bar, a quote inside an unquoted field stands for itself, and records may differ in
//! length. A quoted field must be closed, and only a separator or the end of the line may follow it. The common CSV
//! libraries accept any bytes, so this check is our own.

/// State of the scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Csv {
    /// At the beginning of a field.
    #[default]
    Start,
    /// Inside an unquoted field.
    Plain,
    /// Inside a quoted field.
    Quoted,
    /// After a quote inside a quoted field: it ends the field, or is the first of two that stand for one.
    Closing,
}

impl Csv {
    /// Scans the next bytes; `None` when the text is not well-formed.
    pub(crate) fn push(self, bytes: &[u8]) -> Option<Self> {
        bytes.iter().try_fold(self, |at, byte| match (at, byte) {
            (Self::Quoted, b'"') => Some(Self::Closing),
            (Self::Quoted, _) | (Self::Start | Self::Closing, b'"') => Some(Self::Quoted),
            (Self::Start | Self::Plain | Self::Closing, b',' | b';' | b'\t' | b'|' | b'\n' | b'\r') => {
                Some(Self::Start)
            }
            (Self::Start | Self::Plain, _) => Some(Self::Plain),
            (Self::Closing, _) => None,
        })
    }

    /// Returns whether the text may end here.
    pub(crate) fn may_end(self) -> bool {
        self != Self::Quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_csv(text: &str) -> bool {
        Csv::default().push(text.as_bytes()).is_some_and(Csv::may_end)
    }

    #[test]
    fn fi1_csv_is_well_formed() {
        for good in [
            "a",
            "a,b\r\n1,2\r\n",
            "\"a \"\"quoted\"\" word\",\"two\nlines\"\n",
            "a;\"b\"\t\"c\"|d",
            "5\" disk,1\n",
            "\"\"",
            ",,\n,,",
        ] {
            assert!(is_csv(good), "{good:?}");
        }
        for bad in ["\"", "a,\"b", "\"a\"b", "\"a\" ,b", "\"\"\"", "a\n\"b\n"] {
            assert!(!is_csv(bad), "{bad:?}");
        }
    }
}
