//! Names that this crate adds to the public vocabulary.

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

// The crate `identity` uses some of these and declares none: the permissions of one resource stay together.
tenantry_kernel::permissions! {
    TENANT_READ "tenant:read" [Admin, Member, Viewer] "See the organisation's name, slug, plan and status.";
    TENANT_UPDATE "tenant:update" [Admin] "Change the organisation's name and slug.";
    TENANT_OWN "tenant:own" [] "Own the organisation: transfer it, give and take ownership, set retention and legal hold.";
    USERS_READ "users:read" [Admin, Member, Viewer] "See who is a member.";
    USERS_UPDATE "users:update" [Admin] "Deactivate and re-activate memberships.";
    USERS_REMOVE "users:remove" [Admin] "Take people out of the organisation.";
    USERS_ASSIGN_ROLES "users:assign-roles" [Admin] "Give and take roles.";
    INVITATIONS_READ "invitations:read" [Admin] "See who has been invited.";
    INVITATIONS_MANAGE "invitations:manage" [Admin] "Invite people, and renew or revoke invitations.";
    ROLES_READ "roles:read" [Admin, Member, Viewer] "See the roles and what they hold.";
    ROLES_CREATE "roles:create" [Admin] "Make roles.";
    ROLES_UPDATE "roles:update" [Admin] "Change roles.";
    ROLES_DELETE "roles:delete" [Admin] "Delete roles that nobody holds.";
}

/// Every name that this crate declares.
pub const VOCABULARY: CrateVocabulary = CrateVocabulary {
    actions: ACTIONS,
    target_kinds: &[INVITATION],
    codes: CODES,
    permissions: PERMISSIONS,
    ..CrateVocabulary::of(env!("CARGO_PKG_NAME"))
};
