//! Roles: named sets of permissions inside one tenant. No actor confers more than they hold.

use async_trait::async_trait;
use serde::{Serialize, Serializer};
use std::fmt;
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, DefaultRole, Event, Journal, Page, PageRequest, Permission,
    PermissionSet, Refusal, Requirement, RoleId, StoreError, TenantAuthority, TenantId, TextError, Timestamp,
    Vocabulary, authorize, bounded_line, fold, stored_line, visible_line,
};
use unicode_security::skeleton;

use crate::{
    Invitations, TenancyError,
    vocabulary::{ROLE_CREATED, ROLE_DELETED, ROLE_UPDATED, ROLES_CREATE, ROLES_DELETE, ROLES_READ, ROLES_UPDATE},
};

/// A named set of permissions inside one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Id of the role.
    pub id: RoleId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// Name.
    pub name: RoleName,
    /// Description.
    pub description: Description,
    /// Granted permissions. For a default role they come from the vocabulary.
    pub permissions: PermissionSet,
    /// Names in the role's row that no crate declares, because a newer program wrote them. They grant nothing, and a
    /// change of the role keeps them.
    pub undeclared: PermissionSet,
    /// The default role that this is, if any.
    pub system: Option<DefaultRole>,
    /// Version; incremented by each change.
    pub version: i64,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
}

/// Name of a role: 1 to 80 characters on one line, of which one can be seen; unique in its tenant when folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleName(String);

impl RoleName {
    /// Maximum length in characters.
    pub const MAX_CHARS: usize = 80;

    /// Parses a name; trims and normalizes it.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        visible_line(text, Self::MAX_CHARS).map(Self)
    }

    /// Reads a stored name.
    pub fn from_stored(text: &str) -> Result<Self, TextError> {
        stored_line(text, Self::MAX_CHARS).map(Self)
    }

    /// Returns the name for display.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the folded key, which is unique in the tenant.
    pub fn key(&self) -> String {
        fold(&self.0)
    }

    /// Returns whether the name has the skeleton of a default role's name (UTS 39, section 4), such as `оwner` with a
    /// Cyrillic `о`.
    fn looks_like_default_role(&self) -> bool {
        let key = self.key();
        DefaultRole::ALL.iter().any(|role| skeleton(&key).eq(skeleton(role.name())))
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

/// A description: at most 500 characters on one line; may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description(String);

impl Description {
    /// Maximum length in characters.
    pub const MAX_CHARS: usize = 500;

    /// Parses a description; trims and normalizes it.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        bounded_line(text, Self::MAX_CHARS).map(Self)
    }

    /// Returns the description for display.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A set of permissions that a custom role may hold: anything but ownership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grantable(PermissionSet);

impl Grantable {
    /// Creates the set. Fails when it contains ownership.
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

/// Port: stores a tenant's roles. Every method sees the unit's tenant only, or the role's own tenant in System units.
#[async_trait]
pub trait Roles: Send {
    /// Returns the vocabulary by which the unit reads stored permissions and default roles.
    fn vocabulary(&self) -> &Vocabulary;

    /// Inserts a role. Fails with [`TenancyError::RoleNameTaken`] when another role of the tenant has its name.
    async fn insert_role(&mut self, role: &Role) -> Result<(), TenancyError>;

    /// Returns the role if it belongs to the tenant.
    async fn role_by_id(&mut self, id: RoleId) -> Result<Option<Role>, StoreError>;

    /// Returns those of the roles that belong to the tenant, in no order.
    async fn roles_by_ids(&mut self, ids: &[RoleId]) -> Result<Vec<Role>, StoreError>;

    /// Returns a default role of the tenant; `None` only when the tenant does not exist.
    async fn default_role(&mut self, tenant: TenantId, role: DefaultRole) -> Result<Option<Role>, StoreError>;

    /// Returns the tenant's role with this name, compared by folded key.
    async fn role_by_name(&mut self, tenant: TenantId, name: &RoleName) -> Result<Option<Role>, StoreError>;

    /// Returns a page of the tenant's roles by id.
    async fn page_roles(&mut self, page: PageRequest<RoleId>) -> Result<Page<Role, RoleId>, StoreError>;

    /// Counts the memberships that hold each of the roles; unassigned roles may be left out.
    async fn count_holders(&mut self, ids: &[RoleId]) -> Result<Vec<(RoleId, u64)>, StoreError>;

    /// Updates name, description, permissions (including undeclared ones) and time if the version is still
    /// `role.version`, and increments the version. Fails with [`TenancyError::VersionConflict`] or
    /// [`TenancyError::RoleNameTaken`].
    async fn update_role(&mut self, role: &Role) -> Result<(), TenancyError>;

    /// Deletes the role.
    async fn delete_role(&mut self, id: RoleId) -> Result<(), StoreError>;
}

/// Read the tenant's roles.
#[derive(Debug, Clone, Copy)]
pub struct ReadRoles;

impl Command for ReadRoles {
    const REQUIRES: Requirement = Requirement::All(&[ROLES_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// Create a role.
#[derive(Debug, Clone)]
pub struct CreateRole {
    /// Name.
    pub name: RoleName,
    /// Description.
    pub description: Description,
    /// Permissions.
    pub permissions: Grantable,
}

impl Command for CreateRole {
    const REQUIRES: Requirement = Requirement::All(&[ROLES_CREATE]);
    const EVENTS: &'static [Action] = &[ROLE_CREATED];
    const LOCKS_TENANT: bool = true;
}

/// Change a role. `None` leaves a field as it is.
#[derive(Debug, Clone)]
pub struct ChangeRole {
    /// The role.
    pub id: RoleId,
    /// The changes.
    pub patch: RolePatch,
    /// The version that the caller expects.
    pub expected_version: Option<i64>,
}

/// Changes of a role.
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

/// Delete an unassigned role.
#[derive(Debug, Clone, Copy)]
pub struct DeleteRole {
    /// The role.
    pub id: RoleId,
    /// The version that the caller expects.
    pub expected_version: Option<i64>,
}

impl Command for DeleteRole {
    const REQUIRES: Requirement = Requirement::All(&[ROLES_DELETE]);
    const EVENTS: &'static [Action] = &[ROLE_DELETED];
    const LOCKS_TENANT: bool = true;
}

/// Creates a role with no more permissions than the actor holds.
pub async fn create_role(
    unit: &mut (impl Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: CreateRole,
) -> Result<Role, TenancyError> {
    let authority = authorize::<CreateRole>(unit, actor, context).await?;
    let held = authority.active_tenant()?;
    let permissions = command.permissions.permissions();
    require_held(unit.vocabulary(), held, permissions)?;
    if command.name.looks_like_default_role() {
        return Err(TenancyError::RoleNameTaken);
    }
    let now = context.now();
    let role = Role {
        id: RoleId::new(context),
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
    let event = Event::new(context, actor, ROLE_CREATED)
        .target(role.id, Some(role.name.as_str()))
        .set("name", role.name.as_str())
        .set("description", role.description.as_str())
        .set("permissions", unit.vocabulary().names(&role.permissions));
    unit.append_event(event).await?;
    Ok(role)
}

/// Changes a custom role. The actor must hold the permissions that are added.
pub async fn change_role(
    unit: &mut (impl Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: ChangeRole,
) -> Result<Role, TenancyError> {
    let authority = authorize::<ChangeRole>(unit, actor, context).await?;
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
    if after.name != before.name && after.name.looks_like_default_role() {
        return Err(TenancyError::RoleNameTaken);
    }
    after.updated_at = context.now();
    unit.update_role(&after).await?;
    after.version += 1;
    if after.permissions != before.permissions || after.name != before.name {
        unit.tenant_authority_changed(held.id).await?;
    }
    let names = |role: &Role| unit.vocabulary().names(&role.permissions);
    let event = Event::new(context, actor, ROLE_UPDATED)
        .target(after.id, Some(after.name.as_str()))
        .changed("name", before.name.as_str(), after.name.as_str())
        .changed("description", before.description.as_str(), after.description.as_str())
        .changed("permissions", names(&before), names(&after));
    unit.append_event(event).await?;
    Ok(after)
}

/// Deletes a custom role that no member holds and no open invitation offers.
pub async fn delete_role(
    unit: &mut (impl Roles + Invitations + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: DeleteRole,
) -> Result<(), TenancyError> {
    authorize::<DeleteRole>(unit, actor, context).await?;
    let role = unit.role_by_id(command.id).await?.ok_or(TenancyError::NotFound)?;
    require_version(command.expected_version, role.version)?;
    if role.system.is_some() {
        return Err(TenancyError::RoleIsSystem);
    }
    if unit.count_holders(&[role.id]).await?.iter().any(|(_, holders)| *holders > 0) {
        return Err(TenancyError::RoleInUse);
    }
    if unit.count_invitations_with(role.id, context.now()).await? > 0 {
        return Err(TenancyError::RoleInUse);
    }
    unit.delete_role(role.id).await?;
    let event = Event::new(context, actor, ROLE_DELETED).target(role.id, Some(role.name.as_str()));
    unit.append_event(event).await?;
    Ok(())
}

/// Inserts the default roles of a new tenant and returns the owner's role.
pub async fn insert_default_roles(
    unit: &mut (impl Roles + ?Sized),
    context: &Context,
    tenant: TenantId,
) -> Result<Role, TenancyError> {
    let now = context.now();
    let role = |kind: DefaultRole, vocabulary: &Vocabulary| -> Result<Role, TextError> {
        Ok(Role {
            id: RoleId::new(context),
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

/// Fails with [`TenancyError::Escalation`] unless the actor holds every conferred permission.
pub(crate) fn require_held(
    vocabulary: &Vocabulary,
    held: &TenantAuthority,
    conferred: &PermissionSet,
) -> Result<(), TenancyError> {
    let missing = missing(vocabulary, &held.permissions, conferred);
    if missing.is_empty() { Ok(()) } else { Err(TenancyError::Escalation(missing)) }
}

/// Fails unless a member with the rights `held` may assign these roles: each of their permissions must be held, and
/// ownership needs an owner.
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

/// Returns the union of the roles' permissions. Undeclared permissions count: they grant something as soon as a newer
/// program runs.
pub(crate) fn conferred_by<'a>(roles: impl IntoIterator<Item = &'a Role>) -> PermissionSet {
    roles.into_iter().fold(PermissionSet::EMPTY, |set, role| set.union(&role.permissions).union(&role.undeclared))
}

/// Returns the conferred permissions that are not held. An owner holds every permission, including those that only a
/// newer program declares.
fn missing(vocabulary: &Vocabulary, held: &PermissionSet, conferred: &PermissionSet) -> Vec<Permission> {
    let mut missing = vocabulary.in_order(&conferred.minus(held));
    if held.contains(&Permission::TENANT_OWN) {
        missing.retain(|permission| vocabulary.permission(permission.name()).is_some());
    }
    missing
}

/// Fails when the caller expects a version and the row has another.
pub(crate) fn require_version(expected: Option<i64>, actual: i64) -> Result<(), TenancyError> {
    match expected {
        Some(expected) if expected != actual => Err(TenancyError::VersionConflict),
        _ => Ok(()),
    }
}

/// Returns the names of roles in alphabetical order, as the journal stores them.
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
        assert_eq!(key("support\u{200b}"), key("sup\u{ad}port"));
        assert_ne!(key("support"), key("supports"));
    }

    #[test]
    fn a_name_that_looks_like_a_default_role_is_told() {
        let looks = |name| RoleName::parse(name).map(|name| name.looks_like_default_role());
        for name in ["admin", "ADMIN", "аdmin", "Оwner", "οwner", "ad\u{200b}min", "ｍember", "viеwer", "adrnin"] {
            assert_eq!(looks(name), Ok(true), "{name}");
        }
        for name in ["administrator", "admins", "support", "владелец", "own", "ad min"] {
            assert_eq!(looks(name), Ok(false), "{name}");
        }
    }

    #[test]
    fn ownership_is_never_part_of_a_custom_role() {
        let own = Vocabulary::compose(&[&crate::vocabulary::VOCABULARY]).unwrap();
        assert!(Grantable::new(own.default_permissions(DefaultRole::Owner).clone()).is_err());
        assert!(Grantable::new(own.default_permissions(DefaultRole::Admin).clone()).is_ok());
    }
}
