//! The names that this crate adds to the public vocabulary.

use tenantry_kernel::CrateVocabulary;

tenantry_kernel::codes! {
    IDEMPOTENCY_KEY_INVALID "idempotency_key_invalid" Malformed "The Idempotency-Key is not 1 to 255 visible ASCII characters, or this route accepts none. Correct or omit it.";
    IDEMPOTENCY_IN_PROGRESS "idempotency_in_progress" Conflict "The first request with this Idempotency-Key is still in progress. Send the request again in a moment.";
    IDEMPOTENCY_MISMATCH "idempotency_mismatch" Invalid "This Idempotency-Key was used for another request. Use a new key.";
}

/// Every name that this crate declares.
pub const VOCABULARY: CrateVocabulary = CrateVocabulary { codes: CODES, ..CrateVocabulary::of(env!("CARGO_PKG_NAME")) };
