//! Tenants, what they are made of, and who holds which rights in them: plans, memberships and roles.
//! A person is known here only by id.

mod error;
mod memberships;
mod plans;
mod roles;
mod tenants;

pub use error::TenancyError;
pub use memberships::{
    AssignRoles, GiveRole, ListMembers, MemberFilter, MemberKey, MemberKeys, MemberOrder, Membership, MembershipStatus,
    Memberships, RoleHolding, TakeRole, assign_roles, ensure_owner_remains, ensure_owner_touches_owner, give_role,
    take_role,
};
pub use plans::{PLANS, Plan, UnknownPlan};
pub use roles::{
    ChangeRole, CreateRole, DefaultRole, DeleteRole, Description, Grantable, ReadRoles, Role, RoleName, RolePatch,
    Roles, change_role, create_role, delete_role, insert_default_roles,
};
pub use tenants::{
    ChangeTenant, FoundTenant, Founding, RESERVED_SLUGS, ReadTenant, Slug, SlugError, Tenant, Tenants, change_plan,
    change_tenant, change_tenant_status, found_tenant,
};
