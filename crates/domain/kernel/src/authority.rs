//! What a principal may do right now, and where that is looked up.

use async_trait::async_trait;

use crate::{
    EmailAddress, Permission, PermissionSet, Refusal, RoleId, SessionId, SignInId, StoreError, TenantId, Timestamp,
    UserId,
};

/// Whether a tenant may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantStatus {
    /// In use.
    Active,
    /// Closed by the operator for now.
    Suspended,
}

impl TenantStatus {
    /// The public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Suspended].into_iter().find(|status| status.name() == name)
    }
}

/// A role that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRole {
    /// Which role.
    pub id: RoleId,
    /// What it is called.
    pub name: String,
    /// What it gives.
    pub permissions: PermissionSet,
}

/// What a principal may do in its tenant, and the tenant as it is shown.
#[derive(Debug, Clone)]
pub struct TenantAuthority {
    /// Which tenant.
    pub id: TenantId,
    /// What it is called.
    pub name: String,
    /// Its short name in addresses.
    pub slug: String,
    /// The plan it is on.
    pub plan: String,
    /// Whether it may be used.
    pub status: TenantStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// The roles held, in order of name.
    pub roles: Vec<HeldRole>,
    /// What those roles give together.
    pub permissions: PermissionSet,
}

/// What a request or a command came with, and what is known by it.
#[derive(Debug, Clone)]
pub enum Principal {
    /// A live session of an enabled person whose membership, if the session is in a tenant, is active.
    Session(SessionPrincipal),
    /// An operator at the installation's command line.
    Operator,
    /// Tenantry itself, in the background.
    System,
}

/// A session, and its person as they are shown.
#[derive(Debug, Clone)]
pub struct SessionPrincipal {
    /// The session.
    pub session: SessionId,
    /// The sign-in that the session comes from.
    pub sign_in: SignInId,
    /// When the session began.
    pub created_at: Timestamp,
    /// When the session ends at the latest.
    pub expires_at: Timestamp,
    /// The greatest rotation of the session that a request has shown.
    pub seen_rotation: u32,
    /// The person.
    pub user: UserId,
    /// The person's address.
    pub email: EmailAddress,
    /// The person's name.
    pub name: String,
    /// When the person registered.
    pub user_created_at: Timestamp,
    /// The version of the person's row.
    pub user_version: i64,
}

/// How well it is known who stands behind a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assurance {
    /// Whether the person has proved that the address is theirs.
    pub email_verified: bool,
}

/// What a principal may do right now: looked up, never carried in a token.
#[derive(Debug, Clone)]
pub struct Authority {
    /// What the request came with.
    pub principal: Principal,
    /// How well it is known who stands behind it.
    pub assurance: Assurance,
    /// The tenant in which the principal acts, and the rights held there.
    pub tenant: Option<TenantAuthority>,
}

impl TenantAuthority {
    /// Whether the holder owns the tenant.
    pub fn is_owner(&self) -> bool {
        self.permissions.contains(&Permission::TENANT_OWN)
    }
}

impl Authority {
    /// The authority of a principal that is no person's and acts in no tenant.
    pub(crate) const fn of_installation(principal: Principal) -> Self {
        Self { principal, assurance: Assurance { email_verified: false }, tenant: None }
    }

    /// The person whose rights these are; operators and the system act for no person.
    pub fn subject(&self) -> Option<UserId> {
        match &self.principal {
            Principal::Session(session) => Some(session.user),
            Principal::Operator | Principal::System => None,
        }
    }

    /// The person whose rights these are. Fails with [`Refusal::SessionEnded`] when there is none.
    pub fn user(&self) -> Result<UserId, Refusal> {
        self.subject().ok_or(Refusal::SessionEnded)
    }

    /// The session that acts. Fails with [`Refusal::SessionEnded`] for every other principal.
    pub fn session(&self) -> Result<&SessionPrincipal, Refusal> {
        match &self.principal {
            Principal::Session(session) => Ok(session),
            Principal::Operator | Principal::System => Err(Refusal::SessionEnded),
        }
    }

    /// The tenant in which the principal acts.
    pub fn tenant_id(&self) -> Option<TenantId> {
        self.tenant.as_ref().map(|tenant| tenant.id)
    }

    /// What is held in the tenant. Fails with [`Refusal::TenantRequired`] without a tenant, and with
    /// [`Refusal::TenantSuspended`] when it may not be used.
    pub fn active_tenant(&self) -> Result<&TenantAuthority, Refusal> {
        let tenant = self.tenant.as_ref().ok_or(Refusal::TenantRequired)?;
        match tenant.status {
            TenantStatus::Active => Ok(tenant),
            TenantStatus::Suspended => Err(Refusal::TenantSuspended),
        }
    }

    /// Fails with [`Refusal::EmailUnverified`] unless the person has proved that the address is theirs.
    pub fn require_verified_email(&self) -> Result<(), Refusal> {
        if self.assurance.email_verified { Ok(()) } else { Err(Refusal::EmailUnverified) }
    }
}

/// Port: where authority is looked up and its changes are announced.
#[async_trait]
pub trait Authorities: Send {
    /// What the session may do now; `None` once it has ended, in whatever way.
    async fn authority_of(&mut self, session: SessionId, now: Timestamp) -> Result<Option<Authority>, StoreError>;

    /// What a person's active membership gives them in the tenant now, whoever asks; `None` when there is none, or the
    /// person is disabled. The tenant may be suspended. Only for System units.
    async fn member_authority(&mut self, tenant: TenantId, user: UserId)
    -> Result<Option<TenantAuthority>, StoreError>;

    /// Locks the tenant against every other change of power in it until the unit ends. Call it before the unit reads
    /// anything that such a change moves.
    async fn lock_tenant(&mut self, tenant: TenantId) -> Result<(), StoreError>;

    /// Announces that what the session may do has changed, at every process once the unit is committed.
    async fn session_authority_changed(&mut self, session: SessionId) -> Result<(), StoreError>;

    /// The same for every session of the person.
    async fn user_authority_changed(&mut self, user: UserId) -> Result<(), StoreError>;

    /// The same for every session in the tenant.
    async fn tenant_authority_changed(&mut self, tenant: TenantId) -> Result<(), StoreError>;
}
