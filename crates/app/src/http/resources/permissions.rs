//! `/permissions`

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tenantry_kernel::{Action, CATALOGUE, Command, Permission, Requirement};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use crate::{Answer, Failure};

use super::{
    body::{Body, Fields, Reads},
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
    name: &'static str,
    #[schema(example = "roles")]
    resource: &'static str,
    #[schema(example = "create")]
    action: &'static str,
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

impl Reads for AskedPermissions {
    type Output = Vec<Permission>;

    fn read(self, fields: &mut Fields) -> Option<Vec<Permission>> {
        let mut permissions = Vec::with_capacity(self.permissions.len());
        for (place, name) in self.permissions.iter().enumerate() {
            let parsed = name.parse::<Permission>().map_err(|_| "is not a permission of the catalogue");
            permissions.push(fields.take(&format!("permissions[{place}]"), parsed)?);
        }
        Some(permissions)
    }
}

/// What is allowed, and by which of the roles held.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "allowed": { "roles:create": true, "audit:read": false },
    "grantedBy": { "roles:create": [{ "id": "0192f0c1-2345-7abc-8def-0123456789ab", "name": "admin" }], "audit:read": [] }
}))]
pub(crate) struct CheckView {
    allowed: BTreeMap<&'static str, bool>,
    granted_by: BTreeMap<&'static str, Vec<RoleReference>>,
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
pub(crate) async fn list_permissions(_caller: Caller<ReadCatalogue>) -> Result<Answer, Failure> {
    let view = |info: &tenantry_kernel::PermissionInfo| PermissionView {
        name: info.name,
        resource: info.resource,
        action: info.action,
        description: info.description,
    };
    Answer::ok(&CATALOGUE.iter().map(view).collect::<Vec<_>>())
}

/// Ask which permissions you hold, and which roles give them.
#[utoipa::path(
    tag = "permissions",
    request_body = AskedPermissions,
    responses((status = 200, description = "What you may do.", body = Of<CheckView>))
)]
#[post("/permissions/check")]
pub(crate) async fn check_permissions(caller: Caller<CheckOwn>, body: Body) -> Result<Answer, Failure> {
    let asked = body.read::<AskedPermissions>().await?;
    let tenant = caller.tenant()?;
    let granting = |permission: Permission| {
        let roles = tenant.roles.iter().filter(|role| role.permissions.contains(permission));
        roles.map(|role| RoleReference { id: role.id.to_string(), name: role.name.clone() }).collect()
    };
    Answer::ok(&CheckView {
        allowed: asked.iter().map(|p| (p.name(), tenant.permissions.contains(*p))).collect(),
        granted_by: asked.iter().map(|p| (p.name(), granting(*p))).collect(),
    })
}
