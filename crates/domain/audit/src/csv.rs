//! Escapes CSV cells, so that no spreadsheet program runs them as formulas.

use std::borrow::Cow;

/// Characters that make a spreadsheet program run a cell, and the apostrophe that marks an escaped cell. Some programs
/// fold the wide forms to the narrow ones.
const RISKY: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\''];

/// Returns the text, with an apostrophe in front if a spreadsheet program would run it or if it begins with an
/// apostrophe itself. [`original_cell`] reverses this.
pub fn harmless_cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(RISKY) { format!("'{text}").into() } else { text.into() }
}

/// Returns the text that [`harmless_cell`] was given.
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
