//! Parts of bodies that several resources share.

use serde::Serialize;
use tenantry_identity::Person;
use tenantry_kernel::{
    Assurance, FieldError, HeldRole, Permission, RoleId, SessionPrincipal, TenantAuthority, Vocabulary,
};
use tenantry_tenancy::{Role, RoleName, Tenant};
use utoipa::ToSchema;

use crate::request::FieldErrors;

/// A user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0192f0c1-2345-7abc-8def-0123456789ab", "email": "ada@example.com", "name": "Ada Lovelace",
    "emailVerified": false, "createdAt": "2026-11-23T09:00:00.000Z"
}))]
pub(crate) struct UserView {
    #[schema(format = "uuid")]
    id: String,
    #[schema(format = "idn-email")]
    email: String,
    name: String,
    email_verified: bool,
    #[schema(format = "date-time")]
    created_at: String,
}

impl From<&Person> for UserView {
    fn from(person: &Person) -> Self {
        Self {
            id: person.id.to_string(),
            email: person.email.to_string(),
            name: person.name.to_string(),
            email_verified: person.email_verified_at.is_some(),
            created_at: person.created_at.to_string(),
        }
    }
}

impl UserView {
    pub(super) fn new(session: &SessionPrincipal, assurance: Assurance) -> Self {
        Self {
            id: session.user.to_string(),
            email: session.email.to_string(),
            name: session.name.clone(),
            email_verified: assurance.email_verified,
            created_at: session.user_created_at.to_string(),
        }
    }
}

/// A tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0192f0c1-2345-7abc-8def-0123456789ab", "name": "Acme", "slug": "acme", "plan": "starter",
    "status": "active", "createdAt": "2026-11-23T09:00:00.000Z"
}))]
pub(crate) struct TenantView {
    #[schema(format = "uuid")]
    id: String,
    name: String,
    slug: String,
    plan: String,
    /// Status of the tenant: `active` or `suspended`.
    status: &'static str,
    #[schema(format = "date-time")]
    created_at: String,
}

impl From<&Tenant> for TenantView {
    fn from(tenant: &Tenant) -> Self {
        Self {
            id: tenant.id.to_string(),
            name: tenant.name.to_string(),
            slug: tenant.slug.to_string(),
            plan: tenant.plan.name.to_owned(),
            status: tenant.status.name(),
            created_at: tenant.created_at.to_string(),
        }
    }
}

impl From<&TenantAuthority> for TenantView {
    fn from(tenant: &TenantAuthority) -> Self {
        Self {
            id: tenant.id.to_string(),
            name: tenant.name.clone(),
            slug: tenant.slug.clone(),
            plan: tenant.plan.clone(),
            status: tenant.status.name(),
            created_at: tenant.created_at.to_string(),
        }
    }
}

/// A tenant by id, name and slug.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantReference {
    #[schema(format = "uuid")]
    id: String,
    name: String,
    slug: String,
}

impl From<&Tenant> for TenantReference {
    fn from(tenant: &Tenant) -> Self {
        Self { id: tenant.id.to_string(), name: tenant.name.to_string(), slug: tenant.slug.to_string() }
    }
}

/// A role by id and name.
#[derive(Serialize, ToSchema, Clone)]
pub(crate) struct RoleReference {
    #[schema(format = "uuid")]
    id: String,
    name: String,
}

impl RoleReference {
    pub(super) fn new(id: RoleId, name: &RoleName) -> Self {
        Self { id: id.to_string(), name: name.to_string() }
    }
}

impl From<&Role> for RoleReference {
    fn from(role: &Role) -> Self {
        Self::new(role.id, &role.name)
    }
}

impl From<&HeldRole> for RoleReference {
    fn from(role: &HeldRole) -> Self {
        Self { id: role.id.to_string(), name: role.name.clone() }
    }
}

/// Parses the ids of a request's `roleIds` and drops duplicates. A malformed id gets the same error as an unknown one.
pub(crate) fn parse_role_ids(texts: &[String], errors: &mut FieldErrors) -> Vec<RoleId> {
    let mut ids = Vec::with_capacity(texts.len());
    for (place, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(id) if !ids.contains(&id) => ids.push(id),
            Ok(_) => {}
            Err(_) => {
                let field = format!("roleIds[{place}]");
                errors.add(FieldError::new(field, "not_found", "This role does not exist."));
            }
        }
    }
    ids
}

/// Parses one name of a request's `permissions`. Adds an error if the permission is not declared.
pub(crate) fn declared_permission(
    vocabulary: &Vocabulary,
    name: &str,
    place: usize,
    errors: &mut FieldErrors,
) -> Option<Permission> {
    let info = vocabulary.permission(name).ok_or("is not a permission of the catalogue");
    errors.take(&format!("permissions[{place}]"), info).map(|info| info.permission.clone())
}
