//! The names that this crate adds to the public vocabulary.

use tenantry_kernel::CrateVocabulary;

tenantry_kernel::actions! {
    AUDIT_EXPORTED "audit.exported";
    AUDIT_POLICY_CHANGED "audit.policy_changed";
    AUDIT_SEALED "audit.sealed";
}

tenantry_kernel::permissions! {
    AUDIT_READ "audit:read" [Admin] "Read the audit log.";
    AUDIT_EXPORT "audit:export" [Admin] "Export the audit log.";
}

/// Every name that this crate declares.
pub const VOCABULARY: CrateVocabulary =
    CrateVocabulary { actions: ACTIONS, permissions: PERMISSIONS, ..CrateVocabulary::of(env!("CARGO_PKG_NAME")) };
