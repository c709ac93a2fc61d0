//! Invitations: offers to join a tenant, sent to an email address. The user is known only on acceptance.

use async_trait::async_trait;
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, EmailAddress, Event, Journal, Name, Page, PageRequest, Requirement,
    RoleId, StoreError, TenantId, Timestamp, UserId, authorize,
};

use crate::{
    InvitationId, RoleName, TenancyError,
    vocabulary::{INVITATION_REVOKED, INVITATIONS_MANAGE, INVITATIONS_READ},
};

/// An offer to join a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Id of the invitation.
    pub id: InvitationId,
    /// The tenant.
    pub tenant: TenantId,
    /// The email address to which it was sent, the only one for which it is valid.
    pub email: EmailAddress,
    /// The roles that it confers, as far as the inviter still holds their permissions.
    pub roles: Vec<RoleId>,
    /// The stored state; see [`Invitation::status_at`].
    pub state: InvitationState,
    /// The user who invited, or last renewed it.
    pub invited_by: UserId,
    /// SHA-256 of the mailed token while the invitation is open.
    pub token_hash: Option<[u8; 32]>,
    /// End of its validity.
    pub expires_at: Timestamp,
    /// Time of the first invitation.
    pub created_at: Timestamp,
}

/// State of an invitation, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationState {
    /// Not answered.
    Open,
    /// Accepted.
    Accepted,
    /// Revoked.
    Revoked,
}

impl InvitationState {
    /// Returns the name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
        }
    }

    /// Returns the state with this stored name. One that only a newer program knows counts as revoked.
    pub fn from_stored(name: &str) -> Self {
        [Self::Open, Self::Accepted].into_iter().find(|state| state.name() == name).unwrap_or(Self::Revoked)
    }
}

impl Invitation {
    /// Returns whether it may be accepted at this time.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == InvitationState::Open && now < self.expires_at
    }

    /// Returns the public name of its status: `open`, `accepted`, `revoked` or `expired`.
    pub fn status_at(&self, now: Timestamp) -> &'static str {
        if self.state == InvitationState::Open && !self.is_open(now) { "expired" } else { self.state.name() }
    }
}

/// An invitation with what lists show beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// The name of the inviter, unless the inviter has left the tenant.
    pub inviter: Option<Name>,
    /// The names of its roles.
    pub roles: Vec<(RoleId, RoleName)>,
}

/// Port: stores invitations. Methods see the unit's tenant only, or all tenants in System units.
#[async_trait]
pub trait Invitations: Send {
    /// Inserts an invitation. A tenant has at most one in state [`InvitationState::Open`] per address; the caller has
    /// checked this under the tenant's lock.
    async fn insert_invitation(&mut self, invitation: &Invitation) -> Result<(), StoreError>;

    /// Returns the invitation if the unit may see it.
    async fn invitation_by_id(&mut self, id: InvitationId) -> Result<Option<Invitation>, StoreError>;

    /// Returns the tenant's invitation of this address in state [`InvitationState::Open`], expired or not.
    async fn open_invitation_to(
        &mut self,
        tenant: TenantId,
        email: &EmailAddress,
    ) -> Result<Option<Invitation>, StoreError>;

    /// Returns the invitation whose mailed token has this hash. Needs a System unit.
    async fn invitation_by_token(&mut self, token_hash: &[u8; 32]) -> Result<Option<Invitation>, StoreError>;

    /// Writes roles, state, inviter, token and expiry.
    async fn update_invitation(&mut self, invitation: &Invitation) -> Result<(), StoreError>;

    /// Returns a page of the tenant's invitations by id.
    async fn page_invitations(
        &mut self,
        page: PageRequest<InvitationId>,
    ) -> Result<Page<ListedInvitation, InvitationId>, StoreError>;

    /// Counts the invitations with this role that may be accepted at this time.
    async fn count_invitations_with(&mut self, role: RoleId, now: Timestamp) -> Result<u64, StoreError>;
}

/// Read the tenant's invitations.
#[derive(Debug, Clone, Copy)]
pub struct ListInvitations;

impl Command for ListInvitations {
    const REQUIRES: Requirement = Requirement::All(&[INVITATIONS_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// Revoke an invitation.
#[derive(Debug, Clone, Copy)]
pub struct RevokeInvitation {
    /// The invitation.
    pub id: InvitationId,
}

impl Command for RevokeInvitation {
    const REQUIRES: Requirement = Requirement::All(&[INVITATIONS_MANAGE]);
    const EVENTS: &'static [Action] = &[INVITATION_REVOKED];
    const LOCKS_TENANT: bool = true;
}

/// Revokes an unanswered invitation, expired or not.
pub async fn revoke_invitation(
    unit: &mut (impl Invitations + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: RevokeInvitation,
) -> Result<(), TenancyError> {
    authorize::<RevokeInvitation>(unit, actor, context).await?;
    let mut invitation = unit.invitation_by_id(command.id).await?.ok_or(TenancyError::NotFound)?;
    if invitation.state != InvitationState::Open {
        return Err(TenancyError::InvalidState);
    }
    invitation.state = InvitationState::Revoked;
    invitation.token_hash = None;
    unit.update_invitation(&invitation).await?;
    let event = Event::new(context, actor, INVITATION_REVOKED).target(invitation.id, Some(invitation.email.as_str()));
    unit.append_event(event).await?;
    Ok(())
}
