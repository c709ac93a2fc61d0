//! Memberships: the users of a tenant and the roles that they hold there.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, DefaultRole, EmailAddress, Event, Journal, Page, PageRequest,
    Refusal, Requirement, RoleId, StoreError, TenantAuthority, TenantId, Timestamp, UserId, authorize, fold,
};

use crate::{
    Role, Roles, TenancyError, Tenant,
    roles::{conferred_by, require_held, require_version, role_names},
    vocabulary::{MEMBERSHIP_ROLES_CHANGED, USERS_ASSIGN_ROLES, USERS_READ},
};

/// A user's membership in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// Whether the user may act in the tenant.
    pub status: MembershipStatus,
    /// Version; incremented by each change of status or roles.
    pub version: i64,
    /// Time of joining.
    pub joined_at: Timestamp,
    /// Time of the user's last request in the tenant, to the minute.
    pub last_seen_at: Option<Timestamp>,
}

impl Membership {
    /// Creates an active membership of a user who joins now.
    #[must_use]
    pub const fn new(tenant: TenantId, user: UserId, joined_at: Timestamp) -> Self {
        Self { tenant, user, status: MembershipStatus::Active, version: 1, joined_at, last_seen_at: None }
    }
}

/// Status of a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipStatus {
    /// The member may act.
    Active,
    /// The member may not act until the membership is activated again.
    Deactivated,
}

impl MembershipStatus {
    /// Every status.
    pub const ALL: [Self; 2] = [Self::Active, Self::Deactivated];

    /// Returns the public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
        }
    }

    /// Returns the status with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Returns the status with this stored name. One that only a newer program knows counts as deactivated.
    pub fn from_stored(name: &str) -> Self {
        Self::from_name(name).unwrap_or(Self::Deactivated)
    }
}

/// Folded keys for searching and sorting members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberKeys {
    /// The user's folded name.
    pub name: String,
    /// The user's folded email address.
    pub email: String,
}

impl MemberKeys {
    /// Folds a user's name and email address.
    pub fn new(name: &str, email: &str) -> Self {
        Self { name: fold(name), email: fold(email) }
    }
}

/// Sort order of members.
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

/// Filters of the list of members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberFilter {
    /// A folded prefix of the name or the email address.
    pub prefix: Option<String>,
    /// The status.
    pub status: Option<MembershipStatus>,
    /// A role that the member holds.
    pub role: Option<RoleId>,
}

/// An assignment of a role to a member.
#[derive(Debug, Clone)]
pub struct RoleAssignment {
    /// The member.
    pub user: UserId,
    /// The role.
    pub role: Role,
}

/// Port: stores memberships. Methods without a tenant see the unit's tenant only.
#[async_trait]
pub trait Memberships: Send {
    /// Inserts a membership. Fails with [`TenancyError::AlreadyMember`], and leaves the unit usable, when there is one.
    async fn insert_membership(&mut self, membership: &Membership, keys: &MemberKeys) -> Result<(), TenancyError>;

    /// Returns the user's membership in the unit's tenant.
    async fn membership_of(&mut self, user: UserId) -> Result<Option<Membership>, StoreError>;

    /// Returns the user's membership in that tenant. Needs a System unit.
    async fn membership_in(&mut self, tenant: TenantId, user: UserId) -> Result<Option<Membership>, StoreError>;

    /// Returns whether the user with this email address is a member of that tenant, active or not.
    async fn is_member_address(&mut self, tenant: TenantId, email: &EmailAddress) -> Result<bool, StoreError>;

    /// Returns the user's membership in that tenant, locked against changes until the unit ends. Needs a System unit.
    async fn lock_membership(&mut self, tenant: TenantId, user: UserId) -> Result<Option<Membership>, StoreError>;

    /// Returns every membership of the user with its tenant, by name of the tenant. For System units and for the user's
    /// own.
    async fn tenants_of(&mut self, user: UserId) -> Result<Vec<(Membership, Tenant)>, StoreError>;

    /// Returns a page of members in the given order.
    async fn page_memberships(
        &mut self,
        filter: &MemberFilter,
        order: MemberOrder,
        page: PageRequest<MemberKey>,
    ) -> Result<Page<(Membership, MemberKey), MemberKey>, StoreError>;

    /// Returns the role assignments of these members.
    async fn roles_of(&mut self, users: &[UserId]) -> Result<Vec<RoleAssignment>, StoreError>;

    /// Returns every role that the user holds, in any tenant, by name. For System units, and for users outside any
    /// tenant.
    async fn roles_held_by(&mut self, user: UserId) -> Result<Vec<Role>, StoreError>;

    /// Assigns exactly these roles to a member.
    async fn replace_roles(&mut self, tenant: TenantId, user: UserId, roles: &[RoleId]) -> Result<(), StoreError>;

    /// Updates the status and increments the version.
    async fn update_membership(&mut self, membership: &Membership) -> Result<(), StoreError>;

    /// Deletes the user's membership in the unit's tenant and its role assignments.
    async fn delete_membership(&mut self, user: UserId) -> Result<(), StoreError>;

    /// Returns the tenant's active owners: active members that hold the owner's role and whose user is enabled.
    async fn active_owners(&mut self, tenant: TenantId) -> Result<Vec<UserId>, StoreError>;
}

/// Read the tenant's members.
#[derive(Debug, Clone, Copy)]
pub struct ListMembers;

impl Command for ListMembers {
    const REQUIRES: Requirement = Requirement::All(&[USERS_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// Assign exactly these roles to a member.
#[derive(Debug, Clone)]
pub struct AssignRoles {
    /// The member.
    pub user: UserId,
    /// The roles of the member after the change.
    pub roles: Vec<RoleId>,
    /// The version of the membership that the caller expects.
    pub expected_version: Option<i64>,
}

impl Command for AssignRoles {
    const REQUIRES: Requirement = Requirement::All(&[USERS_ASSIGN_ROLES]);
    const EVENTS: &'static [Action] = &[MEMBERSHIP_ROLES_CHANGED];
    const LOCKS_TENANT: bool = true;
}

/// Assign one more role to a member.
#[derive(Debug, Clone, Copy)]
pub struct AssignRole {
    /// The member.
    pub user: UserId,
    /// The role.
    pub role: RoleId,
}

impl Command for AssignRole {
    const REQUIRES: Requirement = AssignRoles::REQUIRES;
    const EVENTS: &'static [Action] = AssignRoles::EVENTS;
    const LOCKS_TENANT: bool = true;
}

/// Unassign a role from a member.
#[derive(Debug, Clone, Copy)]
pub struct UnassignRole {
    /// The member.
    pub user: UserId,
    /// The role.
    pub role: RoleId,
    /// The version of the membership that the caller expects.
    pub expected_version: Option<i64>,
}

impl Command for UnassignRole {
    const REQUIRES: Requirement = AssignRoles::REQUIRES;
    const EVENTS: &'static [Action] = AssignRoles::EVENTS;
    const LOCKS_TENANT: bool = true;
}

/// The ports that assigning roles needs.
trait Assigning: Memberships + Roles + Authorities + Journal {}
impl<T: Memberships + Roles + Authorities + Journal + ?Sized> Assigning for T {}

/// Assigns exactly the listed roles to a member.
pub async fn assign_roles(
    unit: &mut (impl Memberships + Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: AssignRoles,
) -> Result<(), TenancyError> {
    let authority = authorize::<AssignRoles>(unit, actor, context).await?;
    let held = authority.active_tenant()?;
    let member = Member::load(unit, command.user).await?;
    let wanted = wanted_roles(unit, &command.roles).await?;
    change_roles(unit, actor, context, held, member, wanted, command.expected_version).await
}

/// Returns the roles of a request's `roleIds`. Fails when one does not belong to the tenant.
pub async fn wanted_roles(unit: &mut (impl Roles + ?Sized), ids: &[RoleId]) -> Result<Vec<Role>, TenancyError> {
    let wanted = unit.roles_by_ids(ids).await?;
    match ids.iter().position(|id| wanted.iter().all(|role| role.id != *id)) {
        Some(position) => Err(TenancyError::UnknownRole { field: format!("roleIds[{position}]") }),
        None => Ok(wanted),
    }
}

/// Assigns one more role to a member; changes nothing when the member already holds it.
pub async fn assign_role(
    unit: &mut (impl Memberships + Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: AssignRole,
) -> Result<(), TenancyError> {
    let authority = authorize::<AssignRole>(unit, actor, context).await?;
    let held = authority.active_tenant()?;
    let member = Member::load(unit, command.user).await?;
    let role = unit.role_by_id(command.role).await?.ok_or(TenancyError::NotFound)?;
    let mut wanted = member.roles.clone();
    if wanted.iter().all(|other| other.id != role.id) {
        wanted.push(role);
    }
    change_roles(unit, actor, context, held, member, wanted, None).await
}

/// Unassigns a role from a member. Fails with [`TenancyError::NotFound`] when the member does not hold it.
pub async fn unassign_role(
    unit: &mut (impl Memberships + Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: UnassignRole,
) -> Result<(), TenancyError> {
    let authority = authorize::<UnassignRole>(unit, actor, context).await?;
    let held = authority.active_tenant()?;
    let member = Member::load(unit, command.user).await?;
    let wanted: Vec<Role> = member.roles.iter().filter(|role| role.id != command.role).cloned().collect();
    if wanted.len() == member.roles.len() {
        return Err(TenancyError::NotFound);
    }
    change_roles(unit, actor, context, held, member, wanted, command.expected_version).await
}

struct Member {
    membership: Membership,
    roles: Vec<Role>,
}

impl Member {
    async fn load(unit: &mut (impl Memberships + ?Sized), user: UserId) -> Result<Self, TenancyError> {
        let membership = unit.membership_of(user).await?.ok_or(TenancyError::NotFound)?;
        let roles = unit.roles_of(&[user]).await?.into_iter().map(|assignment| assignment.role).collect();
        Ok(Self { membership, roles })
    }
}

async fn change_roles(
    unit: &mut (impl Assigning + ?Sized),
    actor: &Actor,
    context: &Context,
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
    let event = Event::new(context, actor, MEMBERSHIP_ROLES_CHANGED).target(membership.user, None).changed(
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

/// Ensures that only an owner assigns or unassigns ownership, or changes a membership that holds it.
pub fn ensure_owner_touches_owner(held: &TenantAuthority) -> Result<(), TenancyError> {
    if held.is_owner() { Ok(()) } else { Err(Refusal::OwnerRequired.into()) }
}

/// Ensures that the tenant keeps an active owner. Call it under the tenant's lock, before this membership stops being
/// one of an active owner.
pub async fn ensure_owner_remains(
    unit: &mut (impl Memberships + ?Sized),
    membership: &Membership,
) -> Result<(), TenancyError> {
    let owners = unit.active_owners(membership.tenant).await?;
    if owners == [membership.user] { Err(TenancyError::LastOwner) } else { Ok(()) }
}
