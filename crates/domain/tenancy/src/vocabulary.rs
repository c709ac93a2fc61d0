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
    ROLE_ESCALATION "role_escalation" Forbidden "You cannot grant permissions that you do not hold. Choose other permissions or roles.";
    SLUG_TAKEN "slug_taken" Conflict "Another tenant has this slug. Choose another one.";
    ROLE_NAME_TAKEN "role_name_taken" Conflict "Another role of the tenant has this name or one that looks the same. Choose another one.";
    ROLE_IN_USE "role_in_use" Conflict "Members hold the role, or an open invitation offers it. Unassign the role and revoke the invitation first.";
    ROLE_IS_SYSTEM "role_is_system" Conflict "Default roles cannot be changed or deleted. Create a role of your own.";
    LAST_OWNER "last_owner" Conflict "The tenant must keep an active owner. Make another member an owner first.";
    ALREADY_MEMBER "already_member" Conflict "This user is already a member of the tenant.";
}

// The crate `identity` uses some of these and declares none: the permissions of one resource stay together.
tenantry_kernel::permissions! {
    TENANT_READ "tenant:read" [Admin, Member, Viewer] "See the tenant's name, slug, plan and status.";
    TENANT_UPDATE "tenant:update" [Admin] "Change the tenant's name and slug.";
    TENANT_OWN "tenant:own" [] "Own the tenant: transfer it, assign and unassign the owner role, set retention and legal hold.";
    USERS_READ "users:read" [Admin, Member, Viewer] "See the members.";
    USERS_UPDATE "users:update" [Admin] "Deactivate and reactivate memberships.";
    USERS_REMOVE "users:remove" [Admin] "Remove members from the tenant.";
    USERS_ASSIGN_ROLES "users:assign-roles" [Admin] "Assign roles to members, and unassign them.";
    INVITATIONS_READ "invitations:read" [Admin] "See the invitations.";
    INVITATIONS_MANAGE "invitations:manage" [Admin] "Create, renew and revoke invitations.";
    ROLES_READ "roles:read" [Admin, Member, Viewer] "See the roles and their permissions.";
    ROLES_CREATE "roles:create" [Admin] "Create roles.";
    ROLES_UPDATE "roles:update" [Admin] "Change roles.";
    ROLES_DELETE "roles:delete" [Admin] "Delete roles that no member holds.";
}

/// Every name that this crate declares.
pub const VOCABULARY: CrateVocabulary = CrateVocabulary {
    actions: ACTIONS,
    target_kinds: &[INVITATION],
    codes: CODES,
    permissions: PERMISSIONS,
    ..CrateVocabulary::of(env!("CARGO_PKG_NAME"))
};
