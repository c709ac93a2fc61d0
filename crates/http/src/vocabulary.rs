//! The error codes that only HTTP has.

use tenantry_kernel::CrateVocabulary;

tenantry_kernel::codes! {
    ORIGIN_NOT_ALLOWED "origin_not_allowed" Forbidden "Requests with the session cookie must come from an allowed origin. The operator configures these origins.";
}

/// The names that this crate declares.
pub const VOCABULARY: CrateVocabulary = CrateVocabulary { codes: CODES, ..CrateVocabulary::of(env!("CARGO_PKG_NAME")) };
