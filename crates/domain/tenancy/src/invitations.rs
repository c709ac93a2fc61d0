//! Invitations: offers to join a tenant, sent to an address. Whom they are for is known only once they are accepted.

use async_trait::async_trait;
use tenantry_kernel::{
    Action, Actor, Authorities, Command, EmailAddress, Event, Journal, Page, PageRequest, Requirement, RoleId,
    StoreError, TenantId, Timestamp, UserId, World, authorize,
};

use crate::{
    InvitationId, TenancyError,
    vocabulary::{INVITATION_REVOKED, INVITATIONS_MANAGE, INVITATIONS_READ},
};

/// An offer to join a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Which invitation.
    pub id: InvitationId,
    /// The tenant.
    pub tenant: TenantId,
    /// The address that it was sent to, and for which alone it is good.
    pub email: EmailAddress,
    /// The roles that it gives, as far as the inviter still holds what they hold.
    pub roles: Vec<RoleId>,
    /// What has become of it; see [`Invitation::status_at`].
    pub state: InvitationState,
    /// Who invited, or renewed it last.
    pub invited_by: UserId,
    /// SHA-256 of the mailed token, while it is open.
    pub token_hash: Option<[u8; 32]>,
    /// Until when it may be accepted.
    pub expires_at: Timestamp,
    /// When it was first made.
    pub created_at: Timestamp,
}

/// What has become of an invitation, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationState {
    /// Nobody has answered.
    Open,
    /// Accepted.
    Accepted,
    /// Withdrawn.
    Revoked,
}

impl InvitationState {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Accepted, Self::Revoked].into_iter().find(|state| state.name() == name)
    }
}

impl Invitation {
    /// Whether it may be accepted at this moment.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == InvitationState::Open && now < self.expires_at
    }

    /// The public name of what has become of it: `open`, `accepted`, `revoked` or `expired`.
    pub fn status_at(&self, now: Timestamp) -> &'static str {
        if self.state == InvitationState::Open && !self.is_open(now) { "expired" } else { self.state.name() }
    }
}

/// Where invitations are kept. Methods see the unit's tenant only, or every tenant's for System units.
#[async_trait]
pub trait Invitations: Send {
    /// Keeps a new invitation. A tenant has one in state [`InvitationState::Open`] for each address; the caller has
    /// looked, under the tenant's lock.
    async fn insert_invitation(&mut self, invitation: &Invitation) -> Result<(), StoreError>;

    /// The invitation, if the unit may see it.
    async fn invitation_by_id(&mut self, id: InvitationId) -> Result<Option<Invitation>, StoreError>;

    /// The tenant's invitation of that address in state [`InvitationState::Open`], expired or not.
    async fn open_invitation_to(
        &mut self,
        tenant: TenantId,
        email: &EmailAddress,
    ) -> Result<Option<Invitation>, StoreError>;

    /// The invitation whose mailed token has this hash. Only for System units.
    async fn invitation_by_token(&mut self, token_hash: &[u8; 32]) -> Result<Option<Invitation>, StoreError>;

    /// Writes roles, state, inviter, token and expiry.
    async fn update_invitation(&mut self, invitation: &Invitation) -> Result<(), StoreError>;

    /// The tenant's invitations by id.
    async fn page_invitations(
        &mut self,
        page: PageRequest<InvitationId>,
    ) -> Result<Page<Invitation, InvitationId>, StoreError>;

    /// How many invitations that may be accepted at this moment give the role.
    async fn count_invitations_with(&mut self, role: RoleId, now: Timestamp) -> Result<u64, StoreError>;
}

/// See who has been invited.
#[derive(Debug, Clone, Copy)]
pub struct ListInvitations;

impl Command for ListInvitations {
    const REQUIRES: Requirement = Requirement::All(&[INVITATIONS_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// Withdraw an invitation.
#[derive(Debug, Clone, Copy)]
pub struct RevokeInvitation {
    /// Which invitation.
    pub id: InvitationId,
}

impl Command for RevokeInvitation {
    const REQUIRES: Requirement = Requirement::All(&[INVITATIONS_MANAGE]);
    const EVENTS: &'static [Action] = &[INVITATION_REVOKED];
    const LOCKS_TENANT: bool = true;
}

/// Withdraws an invitation that nobody has answered, also one whose time is over.
pub async fn revoke_invitation(
    unit: &mut (impl Invitations + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: RevokeInvitation,
) -> Result<(), TenancyError> {
    authorize::<RevokeInvitation>(unit, actor, world).await?;
    let mut invitation = unit.invitation_by_id(command.id).await?.ok_or(TenancyError::NotFound)?;
    if invitation.state != InvitationState::Open {
        return Err(TenancyError::InvalidState);
    }
    invitation.state = InvitationState::Revoked;
    invitation.token_hash = None;
    unit.update_invitation(&invitation).await?;
    let event = Event::new(world, actor, INVITATION_REVOKED).target(invitation.id, Some(invitation.email.as_str()));
    unit.append_event(event).await?;
    Ok(())
}
