//! Operations of `/invitations`: invitations that the server sends by email.

mod accept;

use actix_web::web;
use serde::{Deserialize, Serialize};
use tenantry_identity::{Invite, People, QuotaKind, ResendInvitation, invite as make, resend_invitation as resend};
use tenantry_kernel::{EmailAddress, ErrorCode, RoleId, Timestamp};
use tenantry_service::Unit;
use tenantry_tenancy::vocabulary::{ALREADY_MEMBER, ROLE_ESCALATION};
use tenantry_tenancy::{
    Invitation, InvitationId, Invitations, ListInvitations, ListedInvitation, RevokeInvitation, Roles,
    revoke_invitation as revoke,
};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{
        Authorized, Body, Contract, FieldErrors, Id, IntoCommand, List, ListOf, ListRequest, NewestFirst, Of,
        PageParameters, Resource, handler, path_id,
    },
    resources::views::{RoleReference, parse_role_ids},
};

pub(crate) fn resource() -> Resource {
    Resource::new("invitations", "Invitations to join the tenant, sent by email.")
        .operation(handler!(list_invitations), Contract::of::<ListInvitations>(&[ErrorCode::INVALID_CURSOR]))
        .operation(
            handler!(create_invitation),
            Contract::of::<Invite>(&[
                ROLE_ESCALATION,
                ErrorCode::EMAIL_UNVERIFIED,
                ALREADY_MEMBER,
                ErrorCode::RATE_LIMITED,
            ]),
        )
        .operation(handler!(revoke_invitation), Contract::of::<RevokeInvitation>(&[ErrorCode::INVALID_STATE]))
        .operation(
            handler!(resend_invitation),
            Contract::of::<ResendInvitation>(&[
                ROLE_ESCALATION,
                ErrorCode::EMAIL_UNVERIFIED,
                ErrorCode::INVALID_STATE,
                ErrorCode::RATE_LIMITED,
            ]),
        )
        .operation(handler!(accept::lookup_invitation), accept::LOOKUP)
        .operation(handler!(accept::accept_invitation), accept::ACCEPT)
}

/// An invitation to join the tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0192f0c1-2345-7abc-8def-0123456789ab", "email": "charles@example.com",
    "roles": [{ "id": "0192f0c1-2345-7abc-8def-0123456789ac", "name": "member" }], "status": "open",
    "invitedBy": { "id": "0192f0c1-2345-7abc-8def-0123456789ad", "name": "Ada Lovelace" },
    "expiresAt": "2026-11-26T09:00:00.000Z", "createdAt": "2026-11-23T09:00:00.000Z"
}))]
pub(crate) struct InvitationView {
    #[schema(format = "uuid")]
    id: String,
    #[schema(format = "idn-email")]
    email: String,
    roles: Vec<RoleReference>,
    /// Status of the invitation: `open`, `accepted`, `revoked` or `expired`.
    status: &'static str,
    invited_by: InviterReference,
    #[schema(format = "date-time")]
    expires_at: String,
    #[schema(format = "date-time")]
    created_at: String,
}

/// The author of an invitation.
#[derive(Serialize, ToSchema)]
pub(crate) struct InviterReference {
    #[schema(format = "uuid")]
    id: String,
    /// `null` if the user is no longer a member.
    #[schema(required = true)]
    name: Option<String>,
}

impl InvitationView {
    fn new(listed: &ListedInvitation, now: Timestamp) -> Self {
        let ListedInvitation { invitation, inviter, roles } = listed;
        Self {
            id: invitation.id.to_string(),
            email: invitation.email.to_string(),
            roles: roles.iter().map(|(id, name)| RoleReference::new(*id, name)).collect(),
            status: invitation.status_at(now),
            invited_by: InviterReference {
                id: invitation.invited_by.to_string(),
                name: inviter.as_ref().map(ToString::to_string),
            },
            expires_at: invitation.expires_at.to_string(),
            created_at: invitation.created_at.to_string(),
        }
    }
}

/// Creates the view of an invitation, with the names of its roles and its inviter.
async fn view(unit: &mut Unit, invitation: Invitation, now: Timestamp) -> Result<InvitationView, Failure> {
    let roles = unit.roles_by_ids(&invitation.roles).await?;
    let of_id = |id: &RoleId| roles.iter().find(|role| role.id == *id).map(|role| (*id, role.name.clone()));
    let roles = invitation.roles.iter().filter_map(of_id).collect();
    let inviter = unit.person_by_id(invitation.invited_by).await?.map(|person| person.name);
    Ok(InvitationView::new(&ListedInvitation { invitation, inviter, roles }, now))
}

/// List the tenant's invitations, newest first
#[utoipa::path(
    get,
    path = "/invitations",
    tag = "invitations",
    params(PageParameters),
    responses((status = 200, description = "A page of invitations.", body = ListOf<InvitationView>))
)]
pub(crate) async fn list_invitations(
    app: App,
    caller: Authorized<ListInvitations>,
    request: ListRequest<NewestFirst<InvitationId>>,
) -> Result<Answer, Failure> {
    let List { page, cursors, .. } = request.parse(&caller)?;
    let mut unit = app.read_with_one_plan(caller.scope()).await?;
    let now = app.context.now();
    let page = unit.page_invitations(page).await?.map(|listed| InvitationView::new(&listed, now));
    cursors.answer(&page)
}

/// The email address to invite, and the roles of the new member.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "email": "charles@example.com", "roleIds": ["0192f0c1-2345-7abc-8def-0123456789ac"]
}))]
pub(crate) struct NewInvitation {
    #[validate(length(max = 254))]
    #[schema(max_length = 254, format = "idn-email")]
    email: String,
    #[validate(length(min = 1, max = 50))]
    #[schema(min_items = 1, max_items = 50, value_type = Vec<Id>)]
    role_ids: Vec<String>,
}

impl IntoCommand for NewInvitation {
    type Output = Invite;

    fn parse(self, errors: &mut FieldErrors) -> Option<Invite> {
        let email = errors.take("email", EmailAddress::parse(&self.email));
        let roles = parse_role_ids(&self.role_ids, errors);
        Some(Invite { email: email?, roles })
    }
}

/// Invite an email address, or renew its open invitation
///
/// The roles may contain only permissions that you hold.
#[utoipa::path(
    post,
    path = "/invitations",
    tag = "invitations",
    request_body = NewInvitation,
    responses((status = 201, description = "The invitation. The server sends it by email.", body = Of<InvitationView>))
)]
pub(crate) async fn create_invitation(app: App, caller: Authorized<Invite>, body: Body) -> Result<Answer, Failure> {
    let command = body.parse::<NewInvitation>().await?;
    if let Some(answer) = app.answered_before(&caller.change_request(), caller.scope()).await? {
        return Ok(answer);
    }
    app.proofs.consume(QuotaKind::Email(&command.email), &caller.origin).await?;
    let secrets = app.secrets.clone();
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        let invitation = make(unit, actor, context, &*secrets, command.clone()).await?;
        let id = invitation.id;
        Answer::created(format_args!("invitations/{id}"), &view(unit, invitation, context.now()).await?)
    })
    .await
}

/// Revoke an invitation
#[utoipa::path(
    delete,
    path = "/invitations/{id}",
    tag = "invitations",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 204, description = "The invitation is revoked, and its link is no longer valid."))
)]
pub(crate) async fn revoke_invitation(
    app: App,
    caller: Authorized<RevokeInvitation>,
    id: web::Path<String>,
) -> Result<Answer, Failure> {
    let command = RevokeInvitation { id: path_id(&id)? };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        revoke(unit, actor, context, command).await?;
        Ok(Answer::no_content())
    })
    .await
}

/// Send an invitation again with a new link
///
/// The previous link is no longer valid.
#[utoipa::path(
    post,
    path = "/invitations/{id}/resend",
    tag = "invitations",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "The renewed invitation.", body = Of<InvitationView>))
)]
pub(crate) async fn resend_invitation(
    app: App,
    caller: Authorized<ResendInvitation>,
    id: web::Path<String>,
) -> Result<Answer, Failure> {
    let command = ResendInvitation { id: path_id(&id)? };
    if let Some(answer) = app.answered_before(&caller.change_request(), caller.scope()).await? {
        return Ok(answer);
    }
    let invitation = app.read(caller.scope()).await?.invitation_by_id(command.id).await?;
    let email = invitation.ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?.email;
    app.proofs.consume(QuotaKind::Email(&email), &caller.origin).await?;
    let secrets = app.secrets.clone();
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        let invitation = resend(unit, actor, context, &*secrets, command).await?;
        Answer::ok(&view(unit, invitation, context.now()).await?)
    })
    .await
}
