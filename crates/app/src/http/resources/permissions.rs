//! `/permissions`

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tenantry_kernel::{Action, Command, Permission, PermissionInfo, Requirement, Vocabulary};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use crate::{Answer, App, Failure};

use super::{
    body::{Body, Fields},
    caller::Caller,
    openapi::{Of, Operation, PermissionName},
};

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_permissions).service(check_permissions);
}

pub(crate) const OPERATIONS: &[Operation] =
    &[Operation::of::<ReadCatalogue>("list_permissions", &[]), Operation::of::<CheckOwn>("check_permissions", &[])];

/// See what can be allowed.
pub(crate) struct ReadCatalogue;

impl Command for ReadCatalogue {
    const REQUIRES: Requirement = Requirement::Member;
    const EVENTS: &'static [Action] = &[];
}

/// See what is allowed to oneself.
pub(crate) struct CheckOwn;

impl Command for CheckOwn {
    const REQUIRES: Requirement = Requirement::Member;
    const EVENTS: &'static [Action] = &[];
}

/// One right of the catalogue.
#[derive(Serialize, ToSchema)]
pub(crate) struct PermissionView {
    #[schema(example = "roles:create")]
    name: String,
    #[schema(example = "roles")]
    resource: String,
    #[schema(example = "create")]
    action: String,
    #[schema(example = "Make roles.")]
    description: &'static str,
}

/// The permissions to look at.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "permissions": ["roles:create", "audit:read"] }))]
pub(crate) struct AskedPermissions {
    #[validate(length(min = 1, max = 64))]
    #[schema(min_items = 1, max_items = 64, value_type = Vec<PermissionName>)]
    permissions: Vec<String>,
}

impl AskedPermissions {
    fn into_permissions(self, vocabulary: &Vocabulary, fields: &mut Fields) -> Option<Vec<Permission>> {
        let mut permissions = Vec::with_capacity(self.permissions.len());
        for (place, name) in self.permissions.iter().enumerate() {
            permissions.push(declared_permission(vocabulary, name, place, fields)?);
        }
        Some(permissions)
    }
}

/// Takes one name of a request's `permissions`, which must be declared.
pub(super) fn declared_permission(
    vocabulary: &Vocabulary,
    name: &str,
    place: usize,
    fields: &mut Fields,
) -> Option<Permission> {
    let info = vocabulary.permission(name).ok_or("is not a permission of the catalogue");
    fields.take(&format!("permissions[{place}]"), info).map(|info| info.permission.clone())
}

/// What is allowed, and by which of the roles held.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "allowed": { "roles:create": true, "audit:read": false },
    "grantedBy": { "roles:create": [{ "id": "0192f0c1-2345-7abc-8def-0123456789ab", "name": "admin" }], "audit:read": [] }
}))]
pub(crate) struct CheckView {
    allowed: BTreeMap<String, bool>,
    granted_by: BTreeMap<String, Vec<RoleReference>>,
}

/// A role by id and name.
#[derive(Serialize, ToSchema, Clone)]
pub(crate) struct RoleReference {
    #[schema(format = "uuid")]
    pub(crate) id: String,
    pub(crate) name: String,
}

/// The catalogue: everything that can be allowed.
#[utoipa::path(
    tag = "permissions",
    responses((status = 200, description = "The catalogue.", body = Of<Vec<PermissionView>>))
)]
#[get("/permissions")]
pub(crate) async fn list_permissions(app: App, _caller: Caller<ReadCatalogue>) -> Result<Answer, Failure> {
    let view = |info: &PermissionInfo| PermissionView {
        name: info.permission.name().to_owned(),
        resource: info.permission.resource().to_owned(),
        action: info.permission.action().to_owned(),
        description: info.description,
    };
    Answer::ok(&app.vocabulary.permissions().iter().map(view).collect::<Vec<_>>())
}

/// Ask which permissions you hold, and which roles give them.
#[utoipa::path(
    tag = "permissions",
    request_body = AskedPermissions,
    responses((status = 200, description = "What you may do.", body = Of<CheckView>))
)]
#[post("/permissions/check")]
pub(crate) async fn check_permissions(app: App, caller: Caller<CheckOwn>, body: Body) -> Result<Answer, Failure> {
    let take = |asked: AskedPermissions, fields: &mut Fields| asked.into_permissions(&app.vocabulary, fields);
    let asked = body.read_with(take).await?;
    let tenant = caller.tenant()?;
    let granting = |permission: &Permission| {
        let roles = tenant.roles.iter().filter(|role| role.permissions.contains(permission));
        roles.map(|role| RoleReference { id: role.id.to_string(), name: role.name.clone() }).collect()
    };
    Answer::ok(&CheckView {
        allowed: asked.iter().map(|p| (p.to_string(), tenant.permissions.contains(p))).collect(),
        granted_by: asked.iter().map(|p| (p.to_string(), granting(p))).collect(),
    })
}
