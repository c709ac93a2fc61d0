//! Ids that this crate declares.

use tenantry_kernel::Target;

use crate::vocabulary::INVITATION;

tenantry_kernel::id!(
    /// An offer to join a tenant.
    InvitationId
);

impl From<InvitationId> for Target {
    fn from(id: InvitationId) -> Self {
        Self { kind: INVITATION, id: id.uuid() }
    }
}
