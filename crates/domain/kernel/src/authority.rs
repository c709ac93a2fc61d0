//! What a session may do right now, and what a command asks for.

use async_trait::async_trait;

use crate::{
    Action, Actor, EmailAddress, Permission, PermissionSet, RoleId, SessionId, SignInId, StoreError, TenantId,
    Timestamp, UserId,
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

/// What a session may do in its tenant, and the tenant as it is shown.
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

/// What a session may do right now: looked up, never carried in a token. It exists only for a live session of an
/// enabled person whose membership, if the session is in a tenant, is active.
#[derive(Debug, Clone)]
pub struct Authority {
    /// The session.
    pub session: SessionId,
    /// The sign-in that the session comes from.
    pub sign_in: SignInId,
    /// When the session began.
    pub session_created_at: Timestamp,
    /// When the session ends whatever happens.
    pub session_expires_at: Timestamp,
    /// The greatest rotation of the session that a request has shown.
    pub seen_rotation: u32,
    /// The person.
    pub user: UserId,
    /// The person's address.
    pub email: EmailAddress,
    /// Whether the address is known to be the person's.
    pub email_verified: bool,
    /// What the person is called.
    pub name: String,
    /// When the person registered.
    pub user_created_at: Timestamp,
    /// The version of the person's row.
    pub user_version: i64,
    /// The tenant that the session is in.
    pub tenant: Option<TenantAuthority>,
}

/// Why somebody may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The session is in no tenant.
    #[error("the session is in no tenant")]
    TenantRequired,
    /// The tenant is suspended.
    #[error("the tenant is suspended")]
    TenantSuspended,
    /// These permissions are missing: all of them, or one of them would do.
    #[error("missing {0:?}")]
    Missing(Vec<Permission>),
    /// Only an owner may do this.
    #[error("only an owner may do this")]
    OwnerRequired,
    /// The address must be known to be the person's.
    #[error("the address is not verified")]
    EmailUnverified,
}

/// What a command asks of whoever gives it. One constant of the command that the check, the 403 and the
/// OpenAPI document all read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Any live session, also without a tenant or in a suspended one.
    SignedIn,
    /// A session in an active tenant.
    Member,
    /// All of these permissions.
    All(&'static [Permission]),
    /// At least one of these permissions.
    Any(&'static [Permission]),
    /// Ownership of the tenant.
    Owner,
}

impl Requirement {
    /// Whether the authority meets the requirement.
    pub fn check(self, authority: &Authority) -> Result<(), Denied> {
        if self == Self::SignedIn {
            return Ok(());
        }
        let tenant = authority.active_tenant()?;
        match self {
            Self::SignedIn | Self::Member => Ok(()),
            Self::All(wanted) => {
                let missing: Vec<_> = wanted.iter().filter(|p| !tenant.permissions.contains(p)).cloned().collect();
                if missing.is_empty() { Ok(()) } else { Err(Denied::Missing(missing)) }
            }
            Self::Any(wanted) if wanted.iter().any(|p| tenant.permissions.contains(p)) => Ok(()),
            Self::Any(wanted) => Err(Denied::Missing(wanted.to_vec())),
            Self::Owner if tenant.is_owner() => Ok(()),
            Self::Owner => Err(Denied::OwnerRequired),
        }
    }
}

/// What a caller asks for. The type states who may ask and what the journal will say.
pub trait Command {
    /// Who may give the command.
    const REQUIRES: Requirement;
    /// The events that the command can leave; the first is the one that a refusal carries.
    const EVENTS: &'static [Action];
}

impl TenantAuthority {
    /// Whether the holder owns the tenant.
    pub fn is_owner(&self) -> bool {
        self.permissions.contains(&Permission::TENANT_OWN)
    }
}

impl Authority {
    /// The tenant of the session.
    pub fn tenant_id(&self) -> Option<TenantId> {
        self.tenant.as_ref().map(|tenant| tenant.id)
    }

    /// What is held in the tenant, if there is one and it may be used.
    pub fn active_tenant(&self) -> Result<&TenantAuthority, Denied> {
        let tenant = self.tenant.as_ref().ok_or(Denied::TenantRequired)?;
        match tenant.status {
            TenantStatus::Active => Ok(tenant),
            TenantStatus::Suspended => Err(Denied::TenantSuspended),
        }
    }

    /// Only somebody whose address is known to be theirs may do this.
    pub fn require_verified_email(&self) -> Result<(), Denied> {
        if self.email_verified { Ok(()) } else { Err(Denied::EmailUnverified) }
    }

    /// Whether this authority may give the command.
    pub fn require<C: Command>(&self) -> Result<(), Denied> {
        C::REQUIRES.check(self)
    }
}

/// Where authority is looked up and its changes are announced.
#[async_trait]
pub trait Authorities: Send {
    /// What the session may do now; `None` once it has ended, in whatever way.
    async fn authority_of(&mut self, session: SessionId, now: Timestamp) -> Result<Option<Authority>, StoreError>;

    /// What a person's active membership gives them in the tenant now, whoever asks; `None` when there is none, or the
    /// person is disabled. The tenant may be suspended. Only for System units.
    async fn member_authority(&mut self, tenant: TenantId, user: UserId)
    -> Result<Option<TenantAuthority>, StoreError>;

    /// Locks the actor's tenant against every other change of power in it, then looks up what the actor holds now.
    /// Must be the first statement of its unit. `None` when the session has ended meanwhile.
    async fn lock_authority(&mut self, actor: &Actor, now: Timestamp) -> Result<Option<Authority>, StoreError>;

    /// Locks a tenant as [`Authorities::lock_authority`] does, for whoever acts without a session.
    async fn lock_tenant(&mut self, tenant: TenantId) -> Result<(), StoreError>;

    /// Announces that what the session may do has changed, at every process once the unit is committed.
    async fn session_authority_changed(&mut self, session: SessionId) -> Result<(), StoreError>;

    /// The same for every session of the person.
    async fn user_authority_changed(&mut self, user: UserId) -> Result<(), StoreError>;

    /// The same for every session in the tenant.
    async fn tenant_authority_changed(&mut self, tenant: TenantId) -> Result<(), StoreError>;
}
