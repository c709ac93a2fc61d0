//! The names that this crate adds to the public vocabulary.

use tenantry_kernel::{CrateVocabulary, TargetKind};

tenantry_kernel::actions! {
    FILE_UPLOADED "file.uploaded";
    FILE_DOWNLOADED "file.downloaded";
    FILE_LINKED "file.linked";
    FILE_DELETED "file.deleted";
}

/// A file.
pub const FILE: TargetKind = TargetKind::declared("file");

tenantry_kernel::codes! {
    QUOTA_EXCEEDED "quota_exceeded" Conflict "The file exceeds the storage of the tenant's plan. Delete files, or choose a larger plan.";
    RANGE_NOT_SATISFIABLE "range_not_satisfiable" Unsatisfiable "The file has no bytes in this range. Choose a range within its size.";
    STORAGE_FULL "storage_full" Full "The storage for files is full. Ask the operator of the service to extend it.";
}

tenantry_kernel::permissions! {
    FILES_READ "files:read" [Admin, Member, Viewer] "See and download files.";
    FILES_CREATE "files:create" [Admin, Member] "Upload files.";
    FILES_DELETE_OWN "files:delete-own" [Admin, Member] "Delete one's own uploads.";
    FILES_DELETE "files:delete" [Admin] "Delete any file.";
}

/// Every name that this crate declares.
pub const VOCABULARY: CrateVocabulary = CrateVocabulary {
    actions: ACTIONS,
    target_kinds: &[FILE],
    codes: CODES,
    permissions: PERMISSIONS,
    ..CrateVocabulary::of(env!("CARGO_PKG_NAME"))
};
