//! The names that this crate adds to the public vocabulary.

use tenantry_kernel::CrateVocabulary;

tenantry_kernel::actions! {
    AUDIT_EXPORTED "audit.exported";
    AUDIT_POLICY_CHANGED "audit.policy_changed";
    AUDIT_SEALED "audit.sealed";
}

/// Every name that this crate declares.
pub const VOCABULARY: CrateVocabulary =
    CrateVocabulary { actions: ACTIONS, ..CrateVocabulary::of(env!("CARGO_PKG_NAME")) };
