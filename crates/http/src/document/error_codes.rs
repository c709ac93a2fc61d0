//! The page of error codes, generated from the declarations of the crates.

use std::fmt::Write as _;
use tenantry_kernel::ErrorCode;

use crate::{request::status_of, resources::operations};

/// Returns the table of these error codes for `docs/error-codes.md`. Each row names the operations whose contract lists
/// the code. Codes that follow from an operation's shape name none.
pub fn error_codes_markdown(codes: &[ErrorCode]) -> String {
    let mut table = String::from("| code | status | message | of |\n|---|---|---|---|\n");
    for code in codes {
        let owners = operations().filter(|operation| operation.contract.errors.contains(code));
        let owners: Vec<String> = owners.map(|operation| format!("`{}`", operation.id)).collect();
        let (status, sentence) = (status_of(code.kind()).as_u16(), code.sentence());
        let _infallible = writeln!(table, "| `{code}` | {status} | {sentence} | {} |", owners.join(" "));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::CODES;

    #[test]
    fn every_code_has_one_row() {
        let codes = [ErrorCode::GENERAL, CODES].concat();
        let table = error_codes_markdown(&codes);
        assert_eq!(table.lines().count(), codes.len() + 2);
        for (code, row) in codes.iter().zip(table.lines().skip(2)) {
            assert!(row.starts_with(&format!("| `{code}` | ")), "{row}");
            assert_eq!(row.matches('|').count(), 5, "{row}");
        }
    }
}
