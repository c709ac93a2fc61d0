//! Canonical JSON (RFC 8785): one byte sequence for one value.

use serde::Serialize;

/// The value has no canonical form.
#[derive(Debug, thiserror::Error)]
#[error("no canonical form: {0}")]
pub struct CanonicalError(#[from] serde_json::Error);

/// Returns the canonical JSON of a value. The journal's entries hold strings and integers only, so that no number
/// format of a database or language can change the bytes.
pub fn canonical_json(value: &impl Serialize) -> Result<String, CanonicalError> {
    Ok(serde_json_canonicalizer::to_string(value)?)
}
