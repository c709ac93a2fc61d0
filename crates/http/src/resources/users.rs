//! Operations of `/users`: the members of the tenant.

use actix_web::web;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tenantry_identity::{ChangeMemberStatus, MemberDetails, People, RemoveMember, change_member_status, remove_member};
use tenantry_kernel::{Direction, ErrorCode, Page, RoleId, UserId, Vocabulary, bounded_line, fold};
use tenantry_service::Unit;
use tenantry_tenancy::vocabulary::{LAST_OWNER, ROLE_ESCALATION};
use tenantry_tenancy::{
    AssignRole, AssignRoles, ListMembers, MemberFilter, MemberKey, MemberOrder, Membership, MembershipStatus,
    Memberships, UnassignRole, assign_role as assign, assign_roles, unassign_role as unassign,
};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{
        Authorized, Body, Contract, FieldErrors, Id, IfMatch, IfMatchHeader, IntoCommand, List, ListOf, ListQuery,
        ListRequest, Of, PageParameters, Resource, handler, parse_sort, path_id,
    },
    resources::views::{RoleReference, parse_role_ids},
};

pub(crate) fn resource() -> Resource {
    Resource::new("users", "The tenant's members and their roles.")
        .operation(handler!(list_users), Contract::of::<ListMembers>(&[ErrorCode::INVALID_CURSOR]))
        .operation(handler!(get_user), Contract::of::<ListMembers>(&[]).versioned())
        .operation(handler!(change_user), Contract::of::<ChangeMemberStatus>(&[LAST_OWNER]).versioned())
        .operation(handler!(remove_user), Contract::of::<RemoveMember>(&[LAST_OWNER]))
        .operation(handler!(set_roles), Contract::of::<AssignRoles>(&[ROLE_ESCALATION, LAST_OWNER]).versioned())
        .operation(handler!(give_role), Contract::of::<AssignRole>(&[ROLE_ESCALATION]))
        .operation(handler!(take_role), Contract::of::<UnassignRole>(&[LAST_OWNER]))
}

/// A member of the tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0192f0c1-2345-7abc-8def-0123456789ab", "email": "ada@example.com", "name": "Ada Lovelace",
    "status": "active", "roles": [{ "id": "0192f0c1-2345-7abc-8def-0123456789ac", "name": "owner" }],
    "joinedAt": "2026-11-23T09:00:00.000Z", "lastSeenAt": "2026-11-23T09:30:00.000Z"
}))]
pub(crate) struct MemberView {
    #[schema(format = "uuid")]
    id: String,
    #[schema(format = "idn-email")]
    email: String,
    name: String,
    /// Status of the membership: `active` or `deactivated`.
    status: &'static str,
    roles: Vec<RoleReference>,
    #[schema(format = "date-time")]
    joined_at: String,
    /// Time of the member's last request, rounded down to the minute; `null` before the first request.
    #[schema(format = "date-time", required = true)]
    last_seen_at: Option<String>,
}

impl MemberView {
    fn new(member: &Membership, MemberDetails { person, roles }: &MemberDetails) -> Self {
        Self {
            id: member.user.to_string(),
            email: person.email.to_string(),
            name: person.name.to_string(),
            status: member.status.name(),
            roles: roles.iter().map(|(id, name)| RoleReference::new(*id, name)).collect(),
            joined_at: member.joined_at.to_string(),
            last_seen_at: member.last_seen_at.map(|at| at.to_minute().to_string()),
        }
    }
}

/// Changes to a membership.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "status": "deactivated" }))]
pub(crate) struct ChangedMember {
    /// Status of the membership: `active` or `deactivated`.
    #[validate(length(max = 20))]
    #[schema(max_length = 20, pattern = "^(active|deactivated)$")]
    status: String,
}

impl IntoCommand for ChangedMember {
    type Output = MembershipStatus;

    fn parse(self, errors: &mut FieldErrors) -> Option<MembershipStatus> {
        errors.take("status", MembershipStatus::from_name(&self.status).ok_or("must be active or deactivated"))
    }
}

/// The complete set of a member's roles.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "roleIds": ["0192f0c1-2345-7abc-8def-0123456789ac"] }))]
pub(crate) struct RoleSet {
    #[validate(length(max = 50))]
    #[schema(max_items = 50, value_type = Vec<Id>)]
    role_ids: Vec<String>,
}

impl IntoCommand for RoleSet {
    type Output = Vec<RoleId>;

    fn parse(self, errors: &mut FieldErrors) -> Option<Vec<RoleId>> {
        Some(parse_role_ids(&self.role_ids, errors))
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MemberQuery {
    /// Beginning of the name or the email address.
    #[param(max_length = 254)]
    q: Option<String>,
    /// Status of the membership: `active` or `deactivated`.
    #[param(pattern = "^(active|deactivated)$")]
    status: Option<String>,
    /// Id of a role that the member holds.
    #[param(format = "uuid")]
    role_id: Option<String>,
    /// Sort order: `name`, `-name`, `joinedAt` or `-joinedAt` (default).
    #[param(pattern = "^-?(name|joinedAt)$")]
    sort: Option<String>,
}

impl MemberQuery {
    const MAX_PREFIX_CHARS: usize = 254;
    const ORDERS: [(&str, MemberOrder); 2] = [("name", MemberOrder::Name), ("joinedAt", MemberOrder::JoinedAt)];
}

impl ListQuery for MemberQuery {
    type Filter = (MemberFilter, MemberOrder);
    type Key = MemberKey;

    fn parse(self, _: &Vocabulary, errors: &mut FieldErrors) -> (Self::Filter, Direction) {
        let newest_first = (MemberOrder::JoinedAt, Direction::Descending);
        let (order, direction) = parse_sort(self.sort.as_deref(), &Self::ORDERS, newest_first, errors);
        let prefix = self.q.as_deref().map(|q| bounded_line(q, Self::MAX_PREFIX_CHARS));
        let status =
            self.status.as_deref().map(|s| MembershipStatus::from_name(s).ok_or("must be active or deactivated"));
        let role = self.role_id.as_deref().map(|id| id.parse().map_err(|_| "must be the id of a role"));
        let filter = MemberFilter {
            prefix: errors.take_if_any("q", prefix).flatten().map(|q| fold(&q)).filter(|q| !q.is_empty()),
            status: errors.take_if_any("status", status).flatten(),
            role: errors.take_if_any("roleId", role).flatten(),
        };
        ((filter, order), direction)
    }
}

/// List the tenant's members
#[utoipa::path(
    get,
    path = "/users",
    tag = "users",
    params(PageParameters, MemberQuery),
    responses((status = 200, description = "A page of members.", body = ListOf<MemberView>))
)]
pub(crate) async fn list_users(
    app: App,
    caller: Authorized<ListMembers>,
    request: ListRequest<MemberQuery>,
) -> Result<Answer, Failure> {
    let List { filter: (filter, order), page, cursors } = request.parse(&caller)?;
    let mut unit = app.read_page(caller.scope(), &filter).await?;
    let page = unit.page_memberships(&filter, order, page).await?;
    let members: Vec<Membership> = page.items.into_iter().map(|(member, _)| member).collect();
    let items = views(&mut unit, &members).await?;
    cursors.answer(&Page { items, next: page.next })
}

async fn views(unit: &mut Unit, members: &[Membership]) -> Result<Vec<MemberView>, Failure> {
    let ids: Vec<UserId> = members.iter().map(|member| member.user).collect();
    let details = unit.members_by_ids(&ids).await?;
    let details: HashMap<UserId, MemberDetails> = details.into_iter().map(|found| (found.person.id, found)).collect();
    Ok(members.iter().filter_map(|member| Some(MemberView::new(member, details.get(&member.user)?))).collect())
}

async fn answer_member(unit: &mut Unit, user: UserId) -> Result<Answer, Failure> {
    let missing = || Failure::new(ErrorCode::NOT_FOUND);
    let member = unit.membership_of(user).await?.ok_or_else(missing)?;
    let version = member.version;
    let view = views(unit, &[member]).await?.pop().ok_or_else(missing)?;
    Ok(Answer::ok(&view)?.etag(version))
}

/// Get a member
#[utoipa::path(
    get,
    path = "/users/{id}",
    tag = "users",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "The member.", body = Of<MemberView>))
)]
pub(crate) async fn get_user(
    app: App,
    caller: Authorized<ListMembers>,
    id: web::Path<String>,
) -> Result<Answer, Failure> {
    let mut unit = app.read_with_one_plan(caller.scope()).await?;
    answer_member(&mut unit, path_id(&id)?).await
}

/// Deactivate or reactivate a member
///
/// A deactivated member is signed out immediately.
#[utoipa::path(
    patch,
    path = "/users/{id}",
    tag = "users",
    params(("id" = String, Path, format = "uuid"), IfMatchHeader),
    request_body = ChangedMember,
    responses((status = 200, description = "The changed member.", body = Of<MemberView>))
)]
pub(crate) async fn change_user(
    app: App,
    caller: Authorized<ChangeMemberStatus>,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Failure> {
    let status = body.parse::<ChangedMember>().await?;
    let command = ChangeMemberStatus { user: path_id(&id)?, status, expected_version: if_match.0 };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        change_member_status(unit, actor, context, command).await?;
        answer_member(unit, command.user).await
    })
    .await
}

/// Remove a member from the tenant
///
/// The user's account remains.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    tag = "users",
    params(("id" = String, Path, format = "uuid"), IfMatchHeader),
    responses((status = 204, description = "The user is no longer a member."))
)]
pub(crate) async fn remove_user(
    app: App,
    caller: Authorized<RemoveMember>,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<Answer, Failure> {
    let command = RemoveMember { user: path_id(&id)?, expected_version: if_match.0 };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        remove_member(unit, actor, context, command).await?;
        Ok(Answer::no_content())
    })
    .await
}

/// Replace the roles of a member
#[utoipa::path(
    put,
    path = "/users/{id}/roles",
    tag = "users",
    params(("id" = String, Path, format = "uuid"), IfMatchHeader),
    request_body = RoleSet,
    responses((status = 200, description = "The changed member.", body = Of<MemberView>))
)]
pub(crate) async fn set_roles(
    app: App,
    caller: Authorized<AssignRoles>,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Failure> {
    let roles = body.parse::<RoleSet>().await?;
    let command = AssignRoles { user: path_id(&id)?, roles, expected_version: if_match.0 };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        assign_roles(unit, actor, context, command.clone()).await?;
        answer_member(unit, command.user).await
    })
    .await
}

/// Assign a role to a member
#[utoipa::path(
    post,
    path = "/users/{id}/roles/{role_id}",
    tag = "users",
    params(("id" = String, Path, format = "uuid"), ("role_id" = String, Path, format = "uuid")),
    responses((status = 204, description = "The member holds the role."))
)]
pub(crate) async fn give_role(
    app: App,
    caller: Authorized<AssignRole>,
    path: web::Path<(String, String)>,
) -> Result<Answer, Failure> {
    let command = AssignRole { user: path_id(&path.0)?, role: path_id(&path.1)? };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        assign(unit, actor, context, command).await?;
        Ok(Answer::no_content())
    })
    .await
}

/// Unassign a role from a member
#[utoipa::path(
    delete,
    path = "/users/{id}/roles/{role_id}",
    tag = "users",
    params(("id" = String, Path, format = "uuid"), ("role_id" = String, Path, format = "uuid"), IfMatchHeader),
    responses((status = 204, description = "The member no longer holds the role."))
)]
pub(crate) async fn take_role(
    app: App,
    caller: Authorized<UnassignRole>,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
) -> Result<Answer, Failure> {
    let command = UnassignRole { user: path_id(&path.0)?, role: path_id(&path.1)?, expected_version: if_match.0 };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        unassign(unit, actor, context, command).await?;
        Ok(Answer::no_content())
    })
    .await
}
