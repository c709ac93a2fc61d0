//! Roles: named sets of permissions inside one tenant, and the rule that nobody confers more than they hold.

use async_trait::async_trait;
use serde::{Serialize, Serializer};
use std::fmt;
use tenantry_kernel::{
    Action, Actor, Authorities, Command, DefaultRole, Event, Journal, Page, PageRequest, Permission, PermissionSet,
    Refusal, Requirement, RoleId, StoreError, TenantAuthority, TenantId, TextError, Timestamp, Vocabulary, World,
    authorize, bounded_line, fold,
};

use crate::{
    Invitations, TenancyError,
    vocabulary::{ROLE_CREATED, ROLE_DELETED, ROLE_UPDATED, ROLES_CREATE, ROLES_DELETE, ROLES_READ, ROLES_UPDATE},
};

/// A named set of permissions inside one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Which role.
    pub id: RoleId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// What it is called.
    pub name: RoleName,
    /// What it is for.
    pub description: Description,
    /// What it grants. The vocabulary says what default roles hold.
    pub permissions: PermissionSet,
    /// Names in the role's row that no crate declares, because a newer program wrote them. They grant nothing, and a
    /// change of the role keeps them.
    pub undeclared: PermissionSet,
    /// Which of the default roles it is, if one.
    pub system: Option<DefaultRole>,
    /// Moves with each change.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a role is called: 1 to 80 characters on one line; unique in its tenant when folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleName(String);

impl RoleName {
    /// The longest name, in characters.
    pub const MAX_CHARS: usize = 80;

    /// Trims and normalizes.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let line = bounded_line(text, Self::MAX_CHARS)?;
        if line.is_empty() { Err(TextError::Empty) } else { Ok(Self(line)) }
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key by which names are unique.
    pub fn key(&self) -> String {
        fold(&self.0)
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RoleName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What something is for: at most 500 characters on one line, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description(String);

impl Description {
    /// The longest description, in characters.
    pub const MAX_CHARS: usize = 500;

    /// Trims and normalizes.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        bounded_line(text, Self::MAX_CHARS).map(Self)
    }

    /// The description as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A set of permissions that a custom role may hold: anything but ownership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grantable(PermissionSet);

impl Grantable {
    /// Fails when ownership is in the set.
    pub fn new(permissions: PermissionSet) -> Result<Self, TenancyError> {
        if permissions.contains(&Permission::TENANT_OWN) {
            Err(TenancyError::OwnershipInCustomRole)
        } else {
            Ok(Self(permissions))
        }
    }

    /// Returns the permissions.
    pub fn permissions(&self) -> &PermissionSet {
        &self.0
    }
}

/// Where a tenant's roles are kept. Every method sees the unit's tenant only, or the role's own for System units.
#[async_trait]
pub trait Roles: Send {
    /// Returns the vocabulary by which the unit reads stored permissions and default roles.
    fn vocabulary(&self) -> &Vocabulary;

    /// Fails with [`TenancyError::RoleNameTaken`] when another role of the tenant has this name.
    async fn insert_role(&mut self, role: &Role) -> Result<(), TenancyError>;

    /// The role, if the tenant has it.
    async fn role_by_id(&mut self, id: RoleId) -> Result<Option<Role>, StoreError>;

    /// Those of the roles that the tenant has, in no order.
    async fn roles_by_ids(&mut self, ids: &[RoleId]) -> Result<Vec<Role>, StoreError>;

    /// One of the tenant's default roles; absent only when the tenant is.
    async fn default_role(&mut self, tenant: TenantId, role: DefaultRole) -> Result<Option<Role>, StoreError>;

    /// The role of that name in the tenant; names are compared folded, as they are unique.
    async fn role_by_name(&mut self, tenant: TenantId, name: &RoleName) -> Result<Option<Role>, StoreError>;

    /// The tenant's roles by id.
    async fn page_roles(&mut self, page: PageRequest<RoleId>) -> Result<Page<Role, RoleId>, StoreError>;

    /// How many memberships hold each of the roles; roles that nobody holds may be left out.
    async fn count_holders(&mut self, ids: &[RoleId]) -> Result<Vec<(RoleId, u64)>, StoreError>;

    /// Writes name, description, permissions (undeclared ones too) and time where the version is still `role.version`, and moves it on.
    /// Fails with [`TenancyError::VersionConflict`] or [`TenancyError::RoleNameTaken`].
    async fn update_role(&mut self, role: &Role) -> Result<(), TenancyError>;

    /// Takes the role out of the tenant.
    async fn delete_role(&mut self, id: RoleId) -> Result<(), StoreError>;
}

/// See the tenant's roles.
#[derive(Debug, Clone, Copy)]
pub struct ReadRoles;

impl Command for ReadRoles {
    const REQUIRES: Requirement = Requirement::All(&[ROLES_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// Make a role.
#[derive(Debug, Clone)]
pub struct CreateRole {
    /// What it is to be called.
    pub name: RoleName,
    /// What it is for.
    pub description: Description,
    /// What it is to give.
    pub permissions: Grantable,
}

impl Command for CreateRole {
    const REQUIRES: Requirement = Requirement::All(&[ROLES_CREATE]);
    const EVENTS: &'static [Action] = &[ROLE_CREATED];
    const LOCKS_TENANT: bool = true;
}

/// Change a role. What is `None` stays as it is.
#[derive(Debug, Clone)]
pub struct ChangeRole {
    /// Which role.
    pub id: RoleId,
    /// What is to change.
    pub patch: RolePatch,
    /// The version that the caller has seen.
    pub expected_version: Option<i64>,
}

/// What is to change in a role.
#[derive(Debug, Clone, Default)]
pub struct RolePatch {
    /// The new name.
    pub name: Option<RoleName>,
    /// The new description.
    pub description: Option<Description>,
    /// The new permissions.
    pub permissions: Option<Grantable>,
}

impl Command for ChangeRole {
    const REQUIRES: Requirement = Requirement::All(&[ROLES_UPDATE]);
    const EVENTS: &'static [Action] = &[ROLE_UPDATED];
    const LOCKS_TENANT: bool = true;
}

/// Delete a role that nobody holds.
#[derive(Debug, Clone, Copy)]
pub struct DeleteRole {
    /// Which role.
    pub id: RoleId,
    /// The version that the caller has seen.
    pub expected_version: Option<i64>,
}

impl Command for DeleteRole {
    const REQUIRES: Requirement = Requirement::All(&[ROLES_DELETE]);
    const EVENTS: &'static [Action] = &[ROLE_DELETED];
    const LOCKS_TENANT: bool = true;
}

/// Makes a role that gives no more than its maker holds.
pub async fn create_role(
    unit: &mut (impl Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: CreateRole,
) -> Result<Role, TenancyError> {
    let authority = authorize::<CreateRole>(unit, actor, world).await?;
    let held = authority.active_tenant()?;
    let permissions = command.permissions.permissions();
    require_held(unit.vocabulary(), held, permissions)?;
    let now = world.now();
    let role = Role {
        id: RoleId::new(world),
        tenant: held.id,
        name: command.name,
        description: command.description,
        permissions: permissions.clone(),
        undeclared: PermissionSet::EMPTY,
        system: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    unit.insert_role(&role).await?;
    let event = Event::new(world, actor, ROLE_CREATED)
        .target(role.id, Some(role.name.as_str()))
        .set("name", role.name.as_str())
        .set("description", role.description.as_str())
        .set("permissions", unit.vocabulary().names(&role.permissions));
    unit.append_event(event).await?;
    Ok(role)
}

/// Changes a custom role. Only what is added to its permissions must be held by whoever changes it.
pub async fn change_role(
    unit: &mut (impl Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: ChangeRole,
) -> Result<Role, TenancyError> {
    let authority = authorize::<ChangeRole>(unit, actor, world).await?;
    let held = authority.active_tenant()?;
    let before = unit.role_by_id(command.id).await?.ok_or(TenancyError::NotFound)?;
    let mut after = before.clone();
    if let Some(name) = command.patch.name {
        after.name = name;
    }
    if let Some(description) = command.patch.description {
        after.description = description;
    }
    if let Some(permissions) = command.patch.permissions {
        after.permissions = permissions.permissions().clone();
    }
    require_held(unit.vocabulary(), held, &after.permissions.minus(&before.permissions))?;
    require_version(command.expected_version, before.version)?;
    if before.system.is_some() {
        return Err(TenancyError::RoleIsSystem);
    }
    if after == before {
        return Ok(before);
    }
    after.updated_at = world.now();
    unit.update_role(&after).await?;
    after.version += 1;
    if after.permissions != before.permissions || after.name != before.name {
        unit.tenant_authority_changed(held.id).await?;
    }
    let names = |role: &Role| unit.vocabulary().names(&role.permissions);
    let event = Event::new(world, actor, ROLE_UPDATED)
        .target(after.id, Some(after.name.as_str()))
        .changed("name", before.name.as_str(), after.name.as_str())
        .changed("description", before.description.as_str(), after.description.as_str())
        .changed("permissions", names(&before), names(&after));
    unit.append_event(event).await?;
    Ok(after)
}

/// Deletes a custom role that nobody holds and no open invitation offers.
pub async fn delete_role(
    unit: &mut (impl Roles + Invitations + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: DeleteRole,
) -> Result<(), TenancyError> {
    authorize::<DeleteRole>(unit, actor, world).await?;
    let role = unit.role_by_id(command.id).await?.ok_or(TenancyError::NotFound)?;
    require_version(command.expected_version, role.version)?;
    if role.system.is_some() {
        return Err(TenancyError::RoleIsSystem);
    }
    if unit.count_holders(&[role.id]).await?.iter().any(|(_, holders)| *holders > 0) {
        return Err(TenancyError::RoleInUse);
    }
    if unit.count_invitations_with(role.id, world.now()).await? > 0 {
        return Err(TenancyError::RoleInUse);
    }
    unit.delete_role(role.id).await?;
    let event = Event::new(world, actor, ROLE_DELETED).target(role.id, Some(role.name.as_str()));
    unit.append_event(event).await?;
    Ok(())
}

/// Gives a new tenant its default roles and returns the owner's.
pub async fn insert_default_roles(
    unit: &mut (impl Roles + ?Sized),
    world: &World,
    tenant: TenantId,
) -> Result<Role, TenancyError> {
    let now = world.now();
    let role = |kind: DefaultRole, vocabulary: &Vocabulary| -> Result<Role, TextError> {
        Ok(Role {
            id: RoleId::new(world),
            tenant,
            name: RoleName::parse(kind.name())?,
            description: Description::parse(kind.description())?,
            permissions: vocabulary.default_permissions(kind).clone(),
            undeclared: PermissionSet::EMPTY,
            system: Some(kind),
            version: 1,
            created_at: now,
            updated_at: now,
        })
    };
    let mut owner = None;
    for kind in DefaultRole::ALL {
        let made =
            role(kind, unit.vocabulary()).map_err(|_| StoreError::Misuse("a default role has an impossible name"))?;
        unit.insert_role(&made).await?;
        if kind == DefaultRole::Owner {
            owner = Some(made);
        }
    }
    owner.ok_or(TenancyError::NotFound)
}

/// Fails with [`TenancyError::Escalation`] unless the actor holds everything that is conferred.
pub(crate) fn require_held(
    vocabulary: &Vocabulary,
    held: &TenantAuthority,
    conferred: &PermissionSet,
) -> Result<(), TenancyError> {
    let missing = missing(vocabulary, &held.permissions, conferred);
    if missing.is_empty() { Ok(()) } else { Err(TenancyError::Escalation(missing)) }
}

/// Fails unless a member who holds `held` may give these roles: no permission that the member lacks, and ownership only
/// as an owner.
pub fn ensure_may_confer<'a>(
    vocabulary: &Vocabulary,
    held: &PermissionSet,
    roles: impl IntoIterator<Item = &'a Role>,
) -> Result<(), TenancyError> {
    let missing = missing(vocabulary, held, &conferred_by(roles));
    if missing.contains(&Permission::TENANT_OWN) {
        Err(Refusal::OwnerRequired.into())
    } else if missing.is_empty() {
        Ok(())
    } else {
        Err(TenancyError::Escalation(missing))
    }
}

/// Returns everything that the roles confer together. Undeclared permissions count: they grant something at once when a
/// newer program runs.
pub(crate) fn conferred_by<'a>(roles: impl IntoIterator<Item = &'a Role>) -> PermissionSet {
    roles.into_iter().fold(PermissionSet::EMPTY, |set, role| set.union(&role.permissions).union(&role.undeclared))
}

/// Lists what is conferred and not held. An owner holds every permission, so those too that only a newer program declares.
fn missing(vocabulary: &Vocabulary, held: &PermissionSet, conferred: &PermissionSet) -> Vec<Permission> {
    let mut missing = vocabulary.in_order(&conferred.minus(held));
    if held.contains(&Permission::TENANT_OWN) {
        missing.retain(|permission| vocabulary.permission(permission.name()).is_some());
    }
    missing
}

/// The caller's version, where one is given, must be the row's.
pub(crate) fn require_version(expected: Option<i64>, actual: i64) -> Result<(), TenancyError> {
    match expected {
        Some(expected) if expected != actual => Err(TenancyError::VersionConflict),
        _ => Ok(()),
    }
}

/// The names of roles in alphabetical order, as the journal keeps them.
pub fn role_names(roles: &[Role]) -> Vec<String> {
    let mut names: Vec<String> = roles.iter().map(|role| role.name.to_string()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_hold_for_one_have_one_key() {
        let key = |name| RoleName::parse(name).map(|n| n.key());
        assert_eq!(key(" Support "), key("sUPPORT"));
        assert_ne!(key("support"), key("supports"));
    }

    #[test]
    fn ownership_is_never_part_of_a_custom_role() {
        let own = Vocabulary::compose(&[&crate::vocabulary::VOCABULARY]).unwrap();
        assert!(Grantable::new(own.default_permissions(DefaultRole::Owner).clone()).is_err());
        assert!(Grantable::new(own.default_permissions(DefaultRole::Admin).clone()).is_ok());
    }
}
