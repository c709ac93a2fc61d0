//! Tenants with their plans, memberships, roles and invitations. This crate knows a user only by id.

mod error;
mod ids;
mod invitations;
mod memberships;
mod plans;
mod roles;
mod tenants;
pub mod vocabulary;

pub use error::TenancyError;
pub use ids::InvitationId;
pub use invitations::{
    Invitation, InvitationState, Invitations, ListInvitations, ListedInvitation, RevokeInvitation, revoke_invitation,
};
pub use memberships::{
    AssignRole, AssignRoles, ListMembers, MemberFilter, MemberKey, MemberKeys, MemberOrder, Membership,
    MembershipStatus, Memberships, RoleAssignment, UnassignRole, assign_role, assign_roles, ensure_owner_remains,
    ensure_owner_touches_owner, unassign_role, wanted_roles,
};
pub use plans::{PLANS, Plan, UnknownPlan};
pub use roles::{
    ChangeRole, CreateRole, DeleteRole, Description, Grantable, ReadRoles, Role, RoleName, RolePatch, Roles,
    change_role, create_role, delete_role, ensure_may_confer, insert_default_roles, role_names,
};
pub use tenants::{
    ChangePlan, ChangeTenant, ChangeTenantStatus, CreateTenant, FoundTenant, Founding, RESERVED_SLUGS, ReadTenant,
    Slug, SlugError, Tenant, Tenants, change_plan, change_tenant, change_tenant_status, create_tenant, found_tenant,
};
