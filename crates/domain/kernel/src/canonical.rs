//! One byte sequence for one value: the JSON canonicalization scheme of RFC 8785.

use serde::Serialize;

/// The value cannot be brought to the canonical form.
#[derive(Debug, thiserror::Error)]
#[error("no canonical form: {0}")]
pub struct CanonicalError(#[from] serde_json::Error);

/// The canonical JSON of a value. The journal's entries hold strings and integers only, so that no number format
/// of any database or language can change the bytes.
pub fn canonical_json(value: &impl Serialize) -> Result<String, CanonicalError> {
    Ok(serde_json_canonicalizer::to_string(value)?)
}
