//! Memberships: which person is in the tenant, and which roles they hold there.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tenantry_kernel::{
    Action, Actor, Authorities, Command, DefaultRole, EmailAddress, Event, Journal, Page, PageRequest, Refusal,
    Requirement, RoleId, StoreError, TenantAuthority, TenantId, Timestamp, UserId, World, authorize, fold,
};

use crate::{
    Role, Roles, TenancyError, Tenant,
    roles::{conferred_by, require_held, require_version, role_names},
    vocabulary::{MEMBERSHIP_ROLES_CHANGED, USERS_ASSIGN_ROLES, USERS_READ},
};

/// A person in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The tenant.
    pub tenant: TenantId,
    /// The person.
    pub user: UserId,
    /// Whether the person may act in the tenant.
    pub status: MembershipStatus,
    /// Moves with each change of status or roles.
    pub version: i64,
    /// When the person joined.
    pub joined_at: Timestamp,
    /// When the person last did something in the tenant, to the minute.
    pub last_seen_at: Option<Timestamp>,
}

impl Membership {
    /// Of somebody who joins now, may act at once, and has not done anything yet.
    #[must_use]
    pub const fn new(tenant: TenantId, user: UserId, joined_at: Timestamp) -> Self {
        Self { tenant, user, status: MembershipStatus::Active, version: 1, joined_at, last_seen_at: None }
    }
}

/// Whether a member may act in the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipStatus {
    /// May act.
    Active,
    /// May not, until activated again.
    Deactivated,
}

impl MembershipStatus {
    /// The public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Deactivated].into_iter().find(|status| status.name() == name)
    }
}

/// The folded keys by which members are searched and sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberKeys {
    /// The person's name, folded.
    pub name: String,
    /// The person's address, folded.
    pub email: String,
}

impl MemberKeys {
    /// Folds a person's name and address.
    pub fn new(name: &str, email: &str) -> Self {
        Self { name: fold(name), email: fold(email) }
    }
}

/// How a list of members is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberOrder {
    /// By the folded name.
    Name,
    /// By the time of joining.
    JoinedAt,
}

/// The key of a member in a sorted list. Cursors carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberKey {
    /// In a list by name.
    Name(String, UserId),
    /// In a list by time of joining.
    JoinedAt(Timestamp, UserId),
}

/// Which members are wanted.
#[derive(Debug, Clone, Default)]
pub struct MemberFilter {
    /// A folded prefix of name or address.
    pub prefix: Option<String>,
    /// Only memberships of this status.
    pub status: Option<MembershipStatus>,
    /// Only memberships that hold this role.
    pub role: Option<RoleId>,
}

/// A role that a member holds.
#[derive(Debug, Clone)]
pub struct RoleHolding {
    /// The member.
    pub user: UserId,
    /// The role.
    pub role: Role,
}

/// Where memberships are kept. Methods without a tenant see the unit's tenant only.
#[async_trait]
pub trait Memberships: Send {
    /// Fails with [`TenancyError::AlreadyMember`], and leaves the unit usable, when there is one.
    async fn insert_membership(&mut self, membership: &Membership, keys: &MemberKeys) -> Result<(), TenancyError>;

    /// The person's membership in the unit's tenant.
    async fn membership_of(&mut self, user: UserId) -> Result<Option<Membership>, StoreError>;

    /// The person's membership in that tenant. Only for System units.
    async fn membership_in(&mut self, tenant: TenantId, user: UserId) -> Result<Option<Membership>, StoreError>;

    /// Whether the person of that address is in that tenant, active or not.
    async fn is_member_address(&mut self, tenant: TenantId, email: &EmailAddress) -> Result<bool, StoreError>;

    /// The person's membership in that tenant, held against every change until the unit ends. Only for System units.
    async fn lock_membership(&mut self, tenant: TenantId, user: UserId) -> Result<Option<Membership>, StoreError>;

    /// Every membership of the person with its tenant, in order of the tenants' names. For System units and for the
    /// person's own.
    async fn tenants_of(&mut self, user: UserId) -> Result<Vec<(Membership, Tenant)>, StoreError>;

    /// Members in the given order.
    async fn page_memberships(
        &mut self,
        filter: &MemberFilter,
        order: MemberOrder,
        page: PageRequest<MemberKey>,
    ) -> Result<Page<(Membership, MemberKey), MemberKey>, StoreError>;

    /// The roles that these members hold.
    async fn roles_of(&mut self, users: &[UserId]) -> Result<Vec<RoleHolding>, StoreError>;

    /// Every role that the person holds, in whatever tenant, in order of the roles' names. For System units, and for
    /// those of the person that are in no tenant.
    async fn roles_held_by(&mut self, user: UserId) -> Result<Vec<Role>, StoreError>;

    /// Gives a member exactly these roles.
    async fn replace_roles(&mut self, tenant: TenantId, user: UserId, roles: &[RoleId]) -> Result<(), StoreError>;

    /// Writes the status and moves the version on.
    async fn update_membership(&mut self, membership: &Membership) -> Result<(), StoreError>;

    /// Takes the person out of the unit's tenant, with the roles held there.
    async fn delete_membership(&mut self, user: UserId) -> Result<(), StoreError>;

    /// The people who own the tenant: active memberships of enabled persons that hold the owner's role.
    async fn active_owners(&mut self, tenant: TenantId) -> Result<Vec<UserId>, StoreError>;
}

/// See who is a member.
#[derive(Debug, Clone, Copy)]
pub struct ListMembers;

impl Command for ListMembers {
    const REQUIRES: Requirement = Requirement::All(&[USERS_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// Give a member exactly these roles.
#[derive(Debug, Clone)]
pub struct AssignRoles {
    /// The member.
    pub user: UserId,
    /// All the roles that the member is to hold.
    pub roles: Vec<RoleId>,
    /// The version of the membership that the caller has seen.
    pub expected_version: Option<i64>,
}

impl Command for AssignRoles {
    const REQUIRES: Requirement = Requirement::All(&[USERS_ASSIGN_ROLES]);
    const EVENTS: &'static [Action] = &[MEMBERSHIP_ROLES_CHANGED];
    const LOCKS_TENANT: bool = true;
}

/// Give a member one more role.
#[derive(Debug, Clone, Copy)]
pub struct GiveRole {
    /// The member.
    pub user: UserId,
    /// The role.
    pub role: RoleId,
}

impl Command for GiveRole {
    const REQUIRES: Requirement = AssignRoles::REQUIRES;
    const EVENTS: &'static [Action] = AssignRoles::EVENTS;
    const LOCKS_TENANT: bool = true;
}

/// Take one role from a member.
#[derive(Debug, Clone, Copy)]
pub struct TakeRole {
    /// The member.
    pub user: UserId,
    /// The role.
    pub role: RoleId,
    /// The version of the membership that the caller has seen.
    pub expected_version: Option<i64>,
}

impl Command for TakeRole {
    const REQUIRES: Requirement = AssignRoles::REQUIRES;
    const EVENTS: &'static [Action] = AssignRoles::EVENTS;
    const LOCKS_TENANT: bool = true;
}

/// What assigning roles works on.
trait Assigning: Memberships + Roles + Authorities + Journal {}
impl<T: Memberships + Roles + Authorities + Journal + ?Sized> Assigning for T {}

/// Gives a member exactly the listed roles.
pub async fn assign_roles(
    unit: &mut (impl Memberships + Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: AssignRoles,
) -> Result<(), TenancyError> {
    let authority = authorize::<AssignRoles>(unit, actor, world).await?;
    let held = authority.active_tenant()?;
    let member = Member::load(unit, command.user).await?;
    let wanted = wanted_roles(unit, &command.roles).await?;
    change_roles(unit, actor, world, held, member, wanted, command.expected_version).await
}

/// The roles of a request's `roleIds`, each of which must be one of the tenant's.
pub async fn wanted_roles(unit: &mut (impl Roles + ?Sized), ids: &[RoleId]) -> Result<Vec<Role>, TenancyError> {
    let wanted = unit.roles_by_ids(ids).await?;
    match ids.iter().position(|id| wanted.iter().all(|role| role.id != *id)) {
        Some(position) => Err(TenancyError::UnknownRole { field: format!("roleIds[{position}]") }),
        None => Ok(wanted),
    }
}

/// Gives a member one more role; nothing happens when they hold it already.
pub async fn give_role(
    unit: &mut (impl Memberships + Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: GiveRole,
) -> Result<(), TenancyError> {
    let authority = authorize::<GiveRole>(unit, actor, world).await?;
    let held = authority.active_tenant()?;
    let member = Member::load(unit, command.user).await?;
    let role = unit.role_by_id(command.role).await?.ok_or(TenancyError::NotFound)?;
    let mut wanted = member.roles.clone();
    if wanted.iter().all(|other| other.id != role.id) {
        wanted.push(role);
    }
    change_roles(unit, actor, world, held, member, wanted, None).await
}

/// Takes one role from a member; one that they do not hold is not there.
pub async fn take_role(
    unit: &mut (impl Memberships + Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: TakeRole,
) -> Result<(), TenancyError> {
    let authority = authorize::<TakeRole>(unit, actor, world).await?;
    let held = authority.active_tenant()?;
    let member = Member::load(unit, command.user).await?;
    let wanted: Vec<Role> = member.roles.iter().filter(|role| role.id != command.role).cloned().collect();
    if wanted.len() == member.roles.len() {
        return Err(TenancyError::NotFound);
    }
    change_roles(unit, actor, world, held, member, wanted, command.expected_version).await
}

struct Member {
    membership: Membership,
    roles: Vec<Role>,
}

impl Member {
    async fn load(unit: &mut (impl Memberships + ?Sized), user: UserId) -> Result<Self, TenancyError> {
        let membership = unit.membership_of(user).await?.ok_or(TenancyError::NotFound)?;
        let roles = unit.roles_of(&[user]).await?.into_iter().map(|holding| holding.role).collect();
        Ok(Self { membership, roles })
    }
}

async fn change_roles(
    unit: &mut (impl Assigning + ?Sized),
    actor: &Actor,
    world: &World,
    held: &TenantAuthority,
    member: Member,
    wanted: Vec<Role>,
    expected_version: Option<i64>,
) -> Result<(), TenancyError> {
    let Member { membership, roles: current } = member;
    let added: Vec<&Role> = wanted.iter().filter(|role| !current.contains(role)).collect();
    let removed: Vec<&Role> = current.iter().filter(|role| !wanted.contains(role)).collect();
    let unchanged = added.is_empty() && removed.is_empty();

    if !unchanged {
        let conferred = conferred_by(added.iter().copied());
        if is_owner(added.iter().copied()) || is_owner(&current) {
            ensure_owner_touches_owner(held)?;
        }
        require_held(unit.vocabulary(), held, &conferred)?;
    }
    require_version(expected_version, membership.version)?;
    if unchanged {
        return Ok(());
    }
    if is_owner(removed.iter().copied()) {
        ensure_owner_remains(unit, &membership).await?;
    }

    let ids: Vec<RoleId> = wanted.iter().map(|role| role.id).collect();
    unit.replace_roles(membership.tenant, membership.user, &ids).await?;
    unit.update_membership(&membership).await?;
    unit.user_authority_changed(membership.user).await?;
    let event = Event::new(world, actor, MEMBERSHIP_ROLES_CHANGED).target(membership.user, None).changed(
        "roles",
        role_names(&current),
        role_names(&wanted),
    );
    unit.append_event(event).await?;
    Ok(())
}

fn is_owner<'a>(roles: impl IntoIterator<Item = &'a Role>) -> bool {
    roles.into_iter().any(|role| role.system == Some(DefaultRole::Owner))
}

/// Only an owner gives or takes ownership, or changes a membership that holds it.
pub fn ensure_owner_touches_owner(held: &TenantAuthority) -> Result<(), TenancyError> {
    if held.is_owner() { Ok(()) } else { Err(Refusal::OwnerRequired.into()) }
}

/// A tenant never loses its last active owner. Call it under the tenant's lock, before this membership ceases to be
/// one of an active owner.
pub async fn ensure_owner_remains(
    unit: &mut (impl Memberships + ?Sized),
    membership: &Membership,
) -> Result<(), TenancyError> {
    let owners = unit.active_owners(membership.tenant).await?;
    if owners == [membership.user] { Err(TenancyError::LastOwner) } else { Ok(()) }
}
