//! Invitations to a tenant. A member can confer only permissions that they hold.

use tenantry_jobs::{JobQueue, Sealer};
use tenantry_kernel::{
    Action, Actor, Authorities, Authority, Command, Context, EmailAddress, Event, Journal, Requirement, RoleId,
    authorize,
};
use tenantry_mails::{AttachedLink, send_email};
use tenantry_tenancy::{
    Invitation, InvitationId, InvitationState, Invitations, Memberships, Role, Roles, TenancyError, ensure_may_confer,
    role_names,
    vocabulary::{INVITATION_CREATED, INVITATION_RENEWED, INVITATIONS_MANAGE},
    wanted_roles,
};

use crate::{IdentityError, LinkPurpose, LinkToken, People, emails::InvitationEmail};

/// Invite an email address.
#[derive(Debug, Clone)]
pub struct Invite {
    /// The invited address.
    pub email: EmailAddress,
    /// The roles to assign; at least one.
    pub roles: Vec<RoleId>,
}

impl Command for Invite {
    const REQUIRES: Requirement = Requirement::All(&[INVITATIONS_MANAGE]);
    const EVENTS: &'static [Action] = &[INVITATION_CREATED, INVITATION_RENEWED];
    const LOCKS_TENANT: bool = true;
}

/// Mail an invitation again, with a new link.
#[derive(Debug, Clone, Copy)]
pub struct ResendInvitation {
    /// Id of the invitation.
    pub id: InvitationId,
}

impl Command for ResendInvitation {
    const REQUIRES: Requirement = Invite::REQUIRES;
    const EVENTS: &'static [Action] = &[INVITATION_RENEWED];
    const LOCKS_TENANT: bool = true;
}

/// Ports that an invitation writes to.
pub trait Inviting: Invitations + Roles + Memberships + People + JobQueue + Authorities + Journal {}
impl<T: Invitations + Roles + Memberships + People + JobQueue + Authorities + Journal + ?Sized> Inviting for T {}

/// Invites an address, or renews its open invitation with these roles and a new link.
pub async fn invite(
    unit: &mut (impl Inviting + ?Sized),
    actor: &Actor,
    context: &Context,
    sealer: &dyn Sealer,
    command: Invite,
) -> Result<Invitation, IdentityError> {
    let authority = authorize::<Invite>(unit, actor, context).await?;
    authority.require_verified_email()?;
    let held = authority.active_tenant()?;
    let roles = wanted_roles(unit, &command.roles).await?;
    ensure_may_confer(unit.vocabulary(), &held.permissions, &roles)?;
    if unit.is_member_address(held.id, &command.email).await? {
        return Err(TenancyError::AlreadyMember.into());
    }
    let inviter = authority.user()?;
    let known = unit.open_invitation_to(held.id, &command.email).await?;
    let (action, mut invitation) = match known {
        Some(known) => (INVITATION_RENEWED, known),
        None => (
            INVITATION_CREATED,
            Invitation {
                id: InvitationId::new(context),
                tenant: held.id,
                email: command.email,
                roles: Vec::new(),
                state: InvitationState::Open,
                invited_by: inviter,
                token_hash: None,
                expires_at: context.now(),
                created_at: context.now(),
            },
        ),
    };
    invitation.roles = roles.iter().map(|role| role.id).collect();
    send(unit, actor, context, sealer, &authority, action, &mut invitation, &roles).await?;
    Ok(invitation)
}

/// Mails an invitation again, by a member who holds every permission that it confers. The older link becomes invalid.
pub async fn resend_invitation(
    unit: &mut (impl Inviting + ?Sized),
    actor: &Actor,
    context: &Context,
    sealer: &dyn Sealer,
    command: ResendInvitation,
) -> Result<Invitation, IdentityError> {
    let authority = authorize::<ResendInvitation>(unit, actor, context).await?;
    authority.require_verified_email()?;
    let held = authority.active_tenant()?;
    let mut invitation = unit.invitation_by_id(command.id).await?.ok_or(IdentityError::NotFound)?;
    if invitation.state != InvitationState::Open {
        return Err(TenancyError::InvalidState.into());
    }
    let roles = unit.roles_by_ids(&invitation.roles).await?;
    // A role may be deleted after the invitation has expired.
    if roles.is_empty() {
        return Err(TenancyError::InvalidState.into());
    }
    ensure_may_confer(unit.vocabulary(), &held.permissions, &roles)?;
    send(unit, actor, context, sealer, &authority, INVITATION_RENEWED, &mut invitation, &roles).await?;
    Ok(invitation)
}

/// Gives the invitation a new link with the acting user as inviter, stores it and mails it.
#[expect(
    clippy::too_many_arguments,
    reason = "the last steps of two use cases, with all the values that they have looked up"
)]
async fn send(
    unit: &mut (impl Inviting + ?Sized),
    actor: &Actor,
    context: &Context,
    sealer: &dyn Sealer,
    authority: &Authority,
    action: Action,
    invitation: &mut Invitation,
    roles: &[Role],
) -> Result<(), IdentityError> {
    let held = authority.active_tenant()?;
    let token = LinkToken::generate(context);
    invitation.invited_by = authority.user()?;
    invitation.token_hash = Some(token.hash());
    invitation.expires_at = context.now().plus(LinkPurpose::Invite.lifetime());
    match action {
        INVITATION_CREATED => unit.insert_invitation(invitation).await?,
        _ => unit.update_invitation(invitation).await?,
    }
    let event = Event::new(context, actor, action)
        .target(invitation.id, Some(invitation.email.as_str()))
        .set_personal("email", invitation.email.as_str())
        .set("roles", role_names(roles));
    unit.append_event(event).await?;
    let mail = InvitationEmail { tenant: held.name.clone(), inviter: actor.name().unwrap_or_default().to_owned() };
    let attached = AttachedLink {
        purpose: LinkPurpose::Invite.name(),
        token: token.text(),
        expires_at: invitation.expires_at,
        sealer,
    };
    Ok(send_email(unit, actor, context, Some(held.id), &invitation.email, mail, Some(attached)).await?)
}
