//! The vocabulary that the suites need.

use std::sync::Arc;
use tenantry_kernel::{PermissionSet, Vocabulary};
use tenantry_tenancy::vocabulary::VOCABULARY;

/// Composes the smallest vocabulary with which every suite runs: the declarations of `tenantry-tenancy`. An adapter
/// that is tested with its own vocabulary composes these too.
pub fn vocabulary() -> Arc<Vocabulary> {
    Arc::new(Vocabulary::compose(&[&VOCABULARY]).unwrap())
}

/// Returns every permission that any vocabulary of a suite declares.
pub(crate) fn every_permission() -> PermissionSet {
    VOCABULARY.permissions.iter().map(|info| info.permission.clone()).collect()
}
