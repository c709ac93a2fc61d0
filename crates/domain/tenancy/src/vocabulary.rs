//! The names that this crate adds to the public vocabulary.

use tenantry_kernel::{CrateVocabulary, TargetKind};

tenantry_kernel::actions! {
    TENANT_CREATED "tenant.created";
    TENANT_UPDATED "tenant.updated";
    TENANT_SUSPENDED "tenant.suspended";
    TENANT_RESUMED "tenant.resumed";
    TENANT_PLAN_CHANGED "tenant.plan_changed";
    TENANT_OWNERSHIP_TRANSFERRED "tenant.ownership_transferred";
    MEMBERSHIP_CREATED "membership.created";
    MEMBERSHIP_DEACTIVATED "membership.deactivated";
    MEMBERSHIP_ACTIVATED "membership.activated";
    MEMBERSHIP_REMOVED "membership.removed";
    MEMBERSHIP_ROLES_CHANGED "membership.roles_changed";
    ROLE_CREATED "role.created";
    ROLE_UPDATED "role.updated";
    ROLE_DELETED "role.deleted";
    INVITATION_CREATED "invitation.created";
    INVITATION_RENEWED "invitation.renewed";
    INVITATION_REVOKED "invitation.revoked";
    INVITATION_ACCEPTED "invitation.accepted";
}

/// An invitation.
pub const INVITATION: TargetKind = TargetKind::declared("invitation");

tenantry_kernel::codes! {
    ROLE_ESCALATION "role_escalation" Forbidden "You cannot confer rights that you do not hold yourself.";
    SLUG_TAKEN "slug_taken" Conflict "Another organisation has this slug.";
    ROLE_NAME_TAKEN "role_name_taken" Conflict "Another role of the organisation has this name.";
    ROLE_IN_USE "role_in_use" Conflict "The role is held by somebody, or offered by an open invitation.";
    ROLE_IS_SYSTEM "role_is_system" Conflict "Default roles cannot be changed or deleted.";
    LAST_OWNER "last_owner" Conflict "The organisation would be left without an active owner.";
    ALREADY_MEMBER "already_member" Conflict "This person is a member of the organisation already.";
}

/// Every name that this crate declares.
pub const VOCABULARY: CrateVocabulary = CrateVocabulary {
    actions: ACTIONS,
    target_kinds: &[INVITATION],
    codes: CODES,
    ..CrateVocabulary::of(env!("CARGO_PKG_NAME"))
};
