//! The ids that this crate declares.

use tenantry_kernel::Target;

use crate::vocabulary::JOB;

tenantry_kernel::id!(
    /// A piece of background work.
    JobId
);

impl From<JobId> for Target {
    fn from(id: JobId) -> Self {
        Self { kind: JOB, id: id.uuid() }
    }
}
