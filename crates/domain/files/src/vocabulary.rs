//! The names that this crate adds to the public vocabulary.

tenantry_kernel::codes! {
    QUOTA_EXCEEDED "quota_exceeded" Conflict "The organisation's plan has no room for this. Delete files, or take a larger plan.";
    RANGE_NOT_SATISFIABLE "range_not_satisfiable" Unsatisfiable "The file has no bytes in this range.";
    STORAGE_FULL "storage_full" Full "There is no room left to keep files. The operator must make some.";
}
