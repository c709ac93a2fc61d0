//! Operations of `/permissions`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tenantry_kernel::{Action, Command, Permission, PermissionInfo, Requirement, Vocabulary};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Authorized, Body, Contract, FieldErrors, Of, PermissionName, Resource, handler},
    resources::views::{RoleReference, declared_permission},
};

pub(crate) fn resource() -> Resource {
    Resource::new("permissions", "The permissions that roles can contain, and those of the caller.")
        .operation(handler!(list_permissions), Contract::of::<ReadCatalogue>(&[]))
        .operation(handler!(check_permissions), Contract::of::<CheckOwn>(&[]))
}

/// Read the catalogue of permissions.
pub(crate) struct ReadCatalogue;

impl Command for ReadCatalogue {
    const REQUIRES: Requirement = Requirement::Member;
    const EVENTS: &'static [Action] = &[];
}

/// Check the caller's own permissions.
pub(crate) struct CheckOwn;

impl Command for CheckOwn {
    const REQUIRES: Requirement = Requirement::Member;
    const EVENTS: &'static [Action] = &[];
}

/// A permission of the catalogue.
#[derive(Serialize, ToSchema)]
pub(crate) struct PermissionView {
    #[schema(example = "roles:create")]
    name: String,
    #[schema(example = "roles")]
    resource: String,
    #[schema(example = "create")]
    action: String,
    #[schema(example = "Create roles.")]
    description: &'static str,
}

/// The permissions to check.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "permissions": ["roles:create", "audit:read"] }))]
pub(crate) struct AskedPermissions {
    #[validate(length(min = 1, max = 64))]
    #[schema(min_items = 1, max_items = 64, value_type = Vec<PermissionName>)]
    permissions: Vec<String>,
}

impl AskedPermissions {
    fn into_permissions(self, vocabulary: &Vocabulary, errors: &mut FieldErrors) -> Option<Vec<Permission>> {
        let mut permissions = Vec::with_capacity(self.permissions.len());
        for (place, name) in self.permissions.iter().enumerate() {
            permissions.push(declared_permission(vocabulary, name, place, errors)?);
        }
        Some(permissions)
    }
}

/// For each permission, whether the caller holds it, and through which roles.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "allowed": { "roles:create": true, "audit:read": false },
    "grantedBy": { "roles:create": [{ "id": "0192f0c1-2345-7abc-8def-0123456789ab", "name": "admin" }], "audit:read": [] }
}))]
pub(crate) struct PermissionCheckView {
    allowed: BTreeMap<String, bool>,
    granted_by: BTreeMap<String, Vec<RoleReference>>,
}

/// List all permissions
#[utoipa::path(
    get,
    path = "/permissions",
    tag = "permissions",
    responses((status = 200, description = "All permissions of the catalogue.", body = Of<Vec<PermissionView>>))
)]
pub(crate) async fn list_permissions(app: App, _caller: Authorized<ReadCatalogue>) -> Result<Answer, Failure> {
    let view = |info: &PermissionInfo| PermissionView {
        name: info.permission.name().to_owned(),
        resource: info.permission.resource().to_owned(),
        action: info.permission.action().to_owned(),
        description: info.description,
    };
    Answer::ok(&app.vocabulary.permissions().iter().map(view).collect::<Vec<_>>())
}

/// Check which permissions you hold, and through which roles
#[utoipa::path(
    post,
    path = "/permissions/check",
    tag = "permissions",
    request_body = AskedPermissions,
    responses((status = 200, description = "The result for each permission.", body = Of<PermissionCheckView>))
)]
pub(crate) async fn check_permissions(app: App, caller: Authorized<CheckOwn>, body: Body) -> Result<Answer, Failure> {
    let take = |asked: AskedPermissions, errors: &mut FieldErrors| asked.into_permissions(&app.vocabulary, errors);
    let asked = body.parse_with(take).await?;
    let tenant = caller.tenant()?;
    let granting = |permission: &Permission| {
        let roles = tenant.roles.iter().filter(|role| role.permissions.contains(permission));
        roles.map(RoleReference::from).collect()
    };
    Answer::ok(&PermissionCheckView {
        allowed: asked.iter().map(|p| (p.to_string(), tenant.permissions.contains(p))).collect(),
        granted_by: asked.iter().map(|p| (p.to_string(), granting(p))).collect(),
    })
}
