//! The ids that this crate declares.

use tenantry_kernel::Target;

use crate::vocabulary::FILE;

tenantry_kernel::id!(
    /// A file of a tenant. Its bytes lie under the same id.
    FileId
);

impl From<FileId> for Target {
    fn from(id: FileId) -> Self {
        Self { kind: FILE, id: id.uuid() }
    }
}
