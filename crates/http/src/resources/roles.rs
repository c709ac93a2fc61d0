//! Operations of `/roles`.

use actix_web::web;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tenantry_kernel::{ErrorCode, PermissionSet, RoleId, Vocabulary};
use tenantry_tenancy::vocabulary::{ROLE_ESCALATION, ROLE_IN_USE, ROLE_IS_SYSTEM, ROLE_NAME_TAKEN};
use tenantry_tenancy::{
    ChangeRole, CreateRole, DeleteRole, Description, Grantable, ReadRoles, Role, RoleName, RolePatch, Roles,
};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{
        Authorized, Body, Contract, FieldErrors, IfMatch, IfMatchHeader, List, ListOf, ListRequest, NewestFirst, Of,
        PageParameters, PermissionName, Resource, handler, path_id,
    },
    resources::views::declared_permission,
};

pub(crate) fn resource() -> Resource {
    Resource::new("roles", "Named sets of permissions.")
        .operation(handler!(list_roles), Contract::of::<ReadRoles>(&[ErrorCode::INVALID_CURSOR]))
        .operation(handler!(create_role), Contract::of::<CreateRole>(&[ROLE_ESCALATION, ROLE_NAME_TAKEN]).versioned())
        .operation(handler!(get_role), Contract::of::<ReadRoles>(&[]).versioned())
        .operation(
            handler!(change_role),
            Contract::of::<ChangeRole>(&[ROLE_ESCALATION, ROLE_NAME_TAKEN, ROLE_IS_SYSTEM]).versioned(),
        )
        .operation(handler!(delete_role), Contract::of::<DeleteRole>(&[ROLE_IN_USE, ROLE_IS_SYSTEM]))
}

/// A named set of permissions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0192f0c1-2345-7abc-8def-0123456789ab", "name": "support", "description": "Answers customers.",
    "permissions": ["users:read"], "system": false, "memberCount": 3,
    "createdAt": "2026-11-23T09:00:00.000Z", "updatedAt": "2026-11-23T09:00:00.000Z"
}))]
pub(crate) struct RoleView {
    #[schema(format = "uuid")]
    id: String,
    name: String,
    description: String,
    permissions: Vec<String>,
    /// Whether the role is a default role. Default roles cannot be changed.
    system: bool,
    /// Number of members that hold the role.
    member_count: u64,
    #[schema(format = "date-time")]
    created_at: String,
    #[schema(format = "date-time")]
    updated_at: String,
}

impl RoleView {
    fn new(role: &Role, member_count: u64, vocabulary: &Vocabulary) -> Self {
        Self {
            id: role.id.to_string(),
            name: role.name.to_string(),
            description: role.description.as_str().to_owned(),
            permissions: vocabulary.names(&role.permissions),
            system: role.system.is_some(),
            member_count,
            created_at: role.created_at.to_string(),
            updated_at: role.updated_at.to_string(),
        }
    }
}

/// A new role.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "name": "support", "description": "Answers customers.", "permissions": ["users:read"] }))]
pub(crate) struct NewRole {
    #[validate(length(min = 1, max = 80))]
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    #[validate(length(max = 500))]
    #[schema(max_length = 500)]
    description: Option<String>,
    #[validate(length(max = 64))]
    #[schema(max_items = 64, value_type = Vec<PermissionName>)]
    permissions: Vec<String>,
}

impl NewRole {
    fn into_command(self, vocabulary: &Vocabulary, errors: &mut FieldErrors) -> Option<CreateRole> {
        let name = errors.take("name", RoleName::parse(&self.name));
        let description =
            errors.take("description", Description::parse(self.description.as_deref().unwrap_or_default()));
        let permissions = grantable(vocabulary, &self.permissions, errors);
        Some(CreateRole { name: name?, description: description?, permissions: permissions? })
    }
}

/// Changes to a role. Omitted fields keep their values.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "permissions": ["users:read", "roles:read"] }))]
pub(crate) struct ChangedRole {
    #[serde(default, deserialize_with = "crate::request::present")]
    #[validate(length(min = 1, max = 80))]
    #[schema(min_length = 1, max_length = 80, nullable = false)]
    name: Option<String>,
    /// `null` clears the description.
    #[serde(default, deserialize_with = "crate::request::clearable")]
    #[validate(length(max = 500))]
    #[schema(max_length = 500)]
    description: Option<String>,
    #[serde(default, deserialize_with = "crate::request::present")]
    #[validate(length(max = 64))]
    #[schema(max_items = 64, nullable = false, value_type = Option<Vec<PermissionName>>)]
    permissions: Option<Vec<String>>,
}

impl ChangedRole {
    fn into_patch(self, vocabulary: &Vocabulary, errors: &mut FieldErrors) -> Option<RolePatch> {
        let name = errors.take_if_any("name", self.name.as_deref().map(RoleName::parse));
        let description = errors.take_if_any("description", self.description.as_deref().map(Description::parse));
        let permissions = match self.permissions {
            None => Some(None),
            Some(names) => grantable(vocabulary, &names, errors).map(Some),
        };
        Some(RolePatch { name: name?, description: description?, permissions: permissions? })
    }
}

fn grantable(vocabulary: &Vocabulary, names: &[String], errors: &mut FieldErrors) -> Option<Grantable> {
    let mut permissions = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        permissions.extend(declared_permission(vocabulary, name, place, errors));
    }
    let permissions: PermissionSet = permissions.into_iter().collect();
    match Grantable::new(permissions) {
        Ok(grantable) => Some(grantable),
        Err(error) => {
            tenantry_kernel::Coded::details(&error).into_iter().for_each(|detail| errors.add(detail));
            None
        }
    }
}

/// List the tenant's roles, newest first
#[utoipa::path(
    get,
    path = "/roles",
    tag = "roles",
    params(PageParameters),
    responses((status = 200, description = "A page of roles.", body = ListOf<RoleView>))
)]
pub(crate) async fn list_roles(
    app: App,
    caller: Authorized<ReadRoles>,
    request: ListRequest<NewestFirst<RoleId>>,
) -> Result<Answer, Failure> {
    let List { page, cursors, .. } = request.parse(&caller)?;
    let page = app.read_with_one_plan(caller.scope()).await?.page_roles(page).await?;
    let ids: Vec<RoleId> = page.items.iter().map(|role| role.id).collect();
    let holders: HashMap<RoleId, u64> =
        app.assignment_counts.of_roles(&ids, caller.scope()).await?.into_iter().collect();
    let page = page.map(|role| RoleView::new(&role, holders.get(&role.id).copied().unwrap_or(0), &app.vocabulary));
    cursors.answer(&page)
}

/// Create a role
///
/// The role may contain only permissions that you hold.
#[utoipa::path(
    post,
    path = "/roles",
    tag = "roles",
    request_body = NewRole,
    responses((status = 201, description = "The role.", body = Of<RoleView>))
)]
pub(crate) async fn create_role(app: App, caller: Authorized<CreateRole>, body: Body) -> Result<Answer, Failure> {
    let take = |role: NewRole, errors: &mut FieldErrors| role.into_command(&app.vocabulary, errors);
    let command = body.parse_with(take).await?;
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        let role = tenantry_tenancy::create_role(unit, actor, context, command.clone()).await?;
        Ok(Answer::created(format_args!("roles/{}", role.id), &RoleView::new(&role, 0, unit.vocabulary()))?
            .etag(role.version))
    })
    .await
}

/// Get a role
#[utoipa::path(
    get,
    path = "/roles/{id}",
    tag = "roles",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "The role.", body = Of<RoleView>))
)]
pub(crate) async fn get_role(
    app: App,
    caller: Authorized<ReadRoles>,
    id: web::Path<String>,
) -> Result<Answer, Failure> {
    let id: RoleId = path_id(&id)?;
    let role = app.read(caller.scope()).await?.role_by_id(id).await?;
    let role = role.ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?;
    let holders =
        app.assignment_counts.of_roles(&[id], caller.scope()).await?.first().map_or(0, |(_, holders)| *holders);
    Ok(Answer::ok(&RoleView::new(&role, holders, &app.vocabulary))?.etag(role.version))
}

/// Change a role
///
/// You can add only permissions that you hold.
#[utoipa::path(
    patch,
    path = "/roles/{id}",
    tag = "roles",
    params(("id" = String, Path, format = "uuid"), IfMatchHeader),
    request_body = ChangedRole,
    responses((status = 200, description = "The changed role.", body = Of<RoleView>))
)]
pub(crate) async fn change_role(
    app: App,
    caller: Authorized<ChangeRole>,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Failure> {
    let take = |role: ChangedRole, errors: &mut FieldErrors| role.into_patch(&app.vocabulary, errors);
    let patch = body.parse_with(take).await?;
    let command = ChangeRole { id: path_id(&id)?, patch, expected_version: if_match.0 };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        let role = tenantry_tenancy::change_role(unit, actor, context, command.clone()).await?;
        let holders = unit.count_holders(&[role.id]).await?.first().map_or(0, |(_, holders)| *holders);
        Ok(Answer::ok(&RoleView::new(&role, holders, unit.vocabulary()))?.etag(role.version))
    })
    .await
}

/// Delete a role that no member holds
#[utoipa::path(
    delete,
    path = "/roles/{id}",
    tag = "roles",
    params(("id" = String, Path, format = "uuid"), IfMatchHeader),
    responses((status = 204, description = "The role is deleted."))
)]
pub(crate) async fn delete_role(
    app: App,
    caller: Authorized<DeleteRole>,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<Answer, Failure> {
    let command = DeleteRole { id: path_id(&id)?, expected_version: if_match.0 };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        tenantry_tenancy::delete_role(unit, actor, context, command).await?;
        Ok(Answer::no_content())
    })
    .await
}
