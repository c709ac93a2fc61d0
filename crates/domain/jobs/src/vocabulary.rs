//! The names that this crate adds to the public vocabulary.

use tenantry_kernel::{CrateVocabulary, TargetKind};

tenantry_kernel::actions! {
    JOB_RETRIED "job.retried";
    JOB_CANCELLED "job.cancelled";
    JOB_DIED "job.died";
    CLEANUP_REQUESTED "cleanup.requested";
}

/// A job.
pub const JOB: TargetKind = TargetKind::declared("job");

tenantry_kernel::permissions! {
    JOBS_READ "jobs:read" [Admin] "See background jobs.";
    JOBS_MANAGE "jobs:manage" [Admin] "Retry and cancel background jobs, and request clean-ups.";
}

/// Every name that this crate declares.
pub const VOCABULARY: CrateVocabulary = CrateVocabulary {
    actions: ACTIONS,
    target_kinds: &[JOB],
    permissions: PERMISSIONS,
    ..CrateVocabulary::of(env!("CARGO_PKG_NAME"))
};
