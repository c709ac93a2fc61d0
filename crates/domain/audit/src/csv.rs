//! Cells of CSV that no spreadsheet takes for a formula.

use std::borrow::Cow;

/// What makes a spreadsheet run a cell, or the mark that tells that it was made harmless. The wide forms are folded to the
/// narrow ones by some programs.
const RISKY: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\''];

/// The text with an apostrophe before it if a spreadsheet would run it, or if it begins with an apostrophe itself.
/// [`original_cell`] gives the text back.
pub fn harmless_cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(RISKY) { format!("'{text}").into() } else { text.into() }
}

/// What [`harmless_cell`] was given.
pub fn original_cell(cell: &str) -> &str {
    cell.strip_prefix('\'').unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formulas_are_made_harmless() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\u{ff1d}1", "'=1"] {
            assert_eq!(harmless_cell(text), format!("'{text}"));
        }
        for text in ["", "role.created", "1-1", "a=b", " =1"] {
            assert_eq!(harmless_cell(text), text);
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in ".*|[=+\\-@'\t\r\n]{0,4}.*") {
            let cell = harmless_cell(&text);
            prop_assert_eq!(original_cell(&cell), text.as_str());
            prop_assert!(!cell.starts_with(&RISKY[..RISKY.len() - 1]));
        }
    }
}
