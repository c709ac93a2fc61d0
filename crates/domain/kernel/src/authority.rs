//! The current rights of a principal, and the port that looks them up.

use async_trait::async_trait;

use crate::{
    EmailAddress, Permission, PermissionSet, Refusal, RoleId, SessionId, SignInId, StoreError, TenantId, Timestamp,
    UserId,
};

/// Status of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantStatus {
    /// In use.
    Active,
    /// Suspended by an operator.
    Suspended,
}

impl TenantStatus {
    /// Every status.
    pub const ALL: [Self; 2] = [Self::Active, Self::Suspended];

    /// Returns the public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// Returns the status with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Returns the status with this stored name. One that only a newer program knows counts as suspended.
    pub fn from_stored(name: &str) -> Self {
        Self::from_name(name).unwrap_or(Self::Suspended)
    }
}

/// A role that a member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRole {
    /// Id of the role.
    pub id: RoleId,
    /// Name of the role.
    pub name: String,
    /// Permissions of the role.
    pub permissions: PermissionSet,
}

/// A principal's rights in its tenant, and the tenant's data for display.
#[derive(Debug, Clone)]
pub struct TenantAuthority {
    /// Id of the tenant.
    pub id: TenantId,
    /// Name of the tenant.
    pub name: String,
    /// Slug of the tenant.
    pub slug: String,
    /// Name of its plan.
    pub plan: String,
    /// Status of the tenant.
    pub status: TenantStatus,
    /// Time of creation.
    pub created_at: Timestamp,
    /// The held roles, by name.
    pub roles: Vec<HeldRole>,
    /// The union of the roles' permissions.
    pub permissions: PermissionSet,
}

/// The credential with which a request or a command came.
#[derive(Debug, Clone)]
pub enum Principal {
    /// A live session of an enabled user whose membership, if the session is in a tenant, is active.
    Session(SessionPrincipal),
    /// An operator at the installation's command line.
    Operator,
    /// The server itself, in the background.
    System,
}

/// A session with its user's data for display.
#[derive(Debug, Clone)]
pub struct SessionPrincipal {
    /// The session.
    pub session: SessionId,
    /// The sign-in that the session comes from.
    pub sign_in: SignInId,
    /// Start of the session.
    pub created_at: Timestamp,
    /// Latest end of the session.
    pub expires_at: Timestamp,
    /// The greatest rotation of the session that a request has presented.
    pub seen_rotation: u32,
    /// The user.
    pub user: UserId,
    /// The user's email address.
    pub email: EmailAddress,
    /// The user's name.
    pub name: String,
    /// Time of the user's registration.
    pub user_created_at: Timestamp,
    /// Version of the user's row.
    pub user_version: i64,
}

/// How strongly the principal's identity is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assurance {
    /// Whether the user has verified the email address.
    pub email_verified: bool,
}

/// The current rights of a principal. They are looked up, never carried in a token.
#[derive(Debug, Clone)]
pub struct Authority {
    /// The credential of the request.
    pub principal: Principal,
    /// How strongly the identity is proved.
    pub assurance: Assurance,
    /// The tenant in which the principal acts, with the rights held there.
    pub tenant: Option<TenantAuthority>,
}

impl TenantAuthority {
    /// Returns whether the principal owns the tenant.
    pub fn is_owner(&self) -> bool {
        self.permissions.contains(&Permission::TENANT_OWN)
    }
}

impl Authority {
    /// Creates the authority of a principal that is not a user and acts in no tenant.
    pub(crate) const fn of_installation(principal: Principal) -> Self {
        Self { principal, assurance: Assurance { email_verified: false }, tenant: None }
    }

    /// Returns the user whose rights these are; operators and the system act for no user.
    pub fn subject(&self) -> Option<UserId> {
        match &self.principal {
            Principal::Session(session) => Some(session.user),
            Principal::Operator | Principal::System => None,
        }
    }

    /// Returns the user whose rights these are. Fails with [`Refusal::SessionEnded`] when there is none.
    pub fn user(&self) -> Result<UserId, Refusal> {
        self.subject().ok_or(Refusal::SessionEnded)
    }

    /// Returns the session. Fails with [`Refusal::SessionEnded`] for every other principal.
    pub fn session(&self) -> Result<&SessionPrincipal, Refusal> {
        match &self.principal {
            Principal::Session(session) => Ok(session),
            Principal::Operator | Principal::System => Err(Refusal::SessionEnded),
        }
    }

    /// Returns the tenant in which the principal acts.
    pub fn tenant_id(&self) -> Option<TenantId> {
        self.tenant.as_ref().map(|tenant| tenant.id)
    }

    /// Returns the rights in the tenant. Fails with [`Refusal::TenantRequired`] without a tenant, and with
    /// [`Refusal::TenantSuspended`] when the tenant is suspended.
    pub fn active_tenant(&self) -> Result<&TenantAuthority, Refusal> {
        let tenant = self.tenant.as_ref().ok_or(Refusal::TenantRequired)?;
        match tenant.status {
            TenantStatus::Active => Ok(tenant),
            TenantStatus::Suspended => Err(Refusal::TenantSuspended),
        }
    }

    /// Fails with [`Refusal::EmailUnverified`] unless the user has verified the email address.
    pub fn require_verified_email(&self) -> Result<(), Refusal> {
        if self.assurance.email_verified { Ok(()) } else { Err(Refusal::EmailUnverified) }
    }
}

/// Port: looks up authority and announces changes of it.
#[async_trait]
pub trait Authorities: Send {
    /// Returns the current rights of the session; `None` once it has ended for any reason.
    async fn authority_of(&mut self, session: SessionId, now: Timestamp) -> Result<Option<Authority>, StoreError>;

    /// Returns the current rights of a user's active membership in the tenant; `None` without one, or when the user is
    /// disabled. The tenant may be suspended. Needs a System unit.
    async fn member_authority(&mut self, tenant: TenantId, user: UserId)
    -> Result<Option<TenantAuthority>, StoreError>;

    /// Locks the tenant against other changes of authority in it until the unit ends. Call it before the unit reads
    /// anything that such a change affects.
    async fn lock_tenant(&mut self, tenant: TenantId) -> Result<(), StoreError>;

    /// Announces to every process, once the unit is committed, that the session's rights have changed.
    async fn session_authority_changed(&mut self, session: SessionId) -> Result<(), StoreError>;

    /// Announces the same for every session of the user.
    async fn user_authority_changed(&mut self, user: UserId) -> Result<(), StoreError>;

    /// Announces the same for every session in the tenant.
    async fn tenant_authority_changed(&mut self, tenant: TenantId) -> Result<(), StoreError>;
}
