//! Users. A user is global; memberships add users to tenants.

use async_trait::async_trait;
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, EmailAddress, Event, Journal, Name, Refusal, Requirement, RoleId,
    StoreError, TenantId, Timestamp, UserId, authorize,
};
use tenantry_tenancy::{MemberKeys, Memberships, RoleName, TenancyError};

use crate::{
    EndReason, IdentityError, Sessions,
    sessions::note_ended,
    vocabulary::{SESSION_ENDED, USER_DISABLED, USER_ENABLED, USER_UPDATED},
};

/// A user account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Id of the user.
    pub id: UserId,
    /// The email address for sign-in; unique in the installation.
    pub email: EmailAddress,
    /// Time at which the address was verified.
    pub email_verified_at: Option<Timestamp>,
    /// The user's name.
    pub name: Name,
    /// Whether the user may sign in.
    pub status: PersonStatus,
    /// Increases with each change.
    pub version: i64,
    /// Time of the registration.
    pub created_at: Timestamp,
}

/// Whether a user may sign in at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonStatus {
    /// The user may sign in.
    Enabled,
    /// An operator has disabled the user.
    Disabled,
}

impl PersonStatus {
    /// Every status.
    pub const ALL: [Self; 2] = [Self::Enabled, Self::Disabled];

    /// Returns the name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }

    /// Returns the status with that stored name. One that only a newer program knows counts as disabled.
    pub fn from_stored(name: &str) -> Self {
        if name == Self::Enabled.name() { Self::Enabled } else { Self::Disabled }
    }
}

impl Person {
    /// Returns the case-folded keys by which the user is found among a tenant's members.
    pub fn member_keys(&self) -> MemberKeys {
        MemberKeys::new(self.name.as_str(), self.email.as_str())
    }
}

/// A member of a tenant with what lists show beside the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDetails {
    /// The user.
    pub person: Person,
    /// The roles that the user holds in the tenant, in the order of their names.
    pub roles: Vec<(RoleId, RoleName)>,
}

/// Port: stores users.
#[async_trait]
pub trait People: Send {
    /// Inserts a user. Fails with [`IdentityError::EmailTaken`], and leaves the unit usable, when another user has the
    /// address. Only for System units.
    async fn insert_person(&mut self, person: &Person) -> Result<(), IdentityError>;

    /// Returns the user, if the unit's scope may see them.
    async fn person_by_id(&mut self, id: UserId) -> Result<Option<Person>, StoreError>;

    /// Returns those users that the unit's scope may see, in no particular order.
    async fn people_by_ids(&mut self, ids: &[UserId]) -> Result<Vec<Person>, StoreError>;

    /// Returns those of the users that are members of the unit's tenant, each with its roles, in no particular order.
    async fn members_by_ids(&mut self, ids: &[UserId]) -> Result<Vec<MemberDetails>, StoreError>;

    /// Returns the user with that address. Only for System units.
    async fn person_by_email(&mut self, email: &EmailAddress) -> Result<Option<Person>, StoreError>;

    /// Returns the user and locks the row against every other change until the unit ends. Only for System units and the
    /// user's own.
    async fn lock_person(&mut self, id: UserId) -> Result<Option<Person>, StoreError>;

    /// Writes name, address, time of verification and status where the version is still `person.version`, and increases
    /// the version. Also writes the keys of the user's memberships in every tenant. Only for System units. Fails with
    /// [`IdentityError::VersionConflict`] or [`IdentityError::EmailTaken`].
    async fn update_person(&mut self, person: &Person) -> Result<(), IdentityError>;
}

/// Read the acting user's own profile.
#[derive(Debug, Clone, Copy)]
pub struct ReadOwnProfile;

impl Command for ReadOwnProfile {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[];
}

/// Change the acting user's own profile. A field that is `None` stays unchanged.
#[derive(Debug, Clone)]
pub struct ChangeProfile {
    /// The new name.
    pub name: Option<Name>,
    /// The version that the caller has read.
    pub expected_version: Option<i64>,
}

impl Command for ChangeProfile {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[USER_UPDATED];
}

/// Changes the acting user's name in every tenant. Needs a System unit, because the search keys of memberships in other
/// tenants change too.
pub async fn change_profile(
    unit: &mut (impl People + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: ChangeProfile,
) -> Result<Person, IdentityError> {
    let (_, id) = actor.session()?;
    let before = unit.lock_person(id).await?.ok_or(Refusal::SessionEnded)?;
    if command.expected_version.is_some_and(|expected| expected != before.version) {
        return Err(IdentityError::VersionConflict);
    }
    let mut after = before.clone();
    if let Some(name) = command.name {
        after.name = name;
    }
    if after == before {
        return Ok(before);
    }
    unit.update_person(&after).await?;
    after.version += 1;
    unit.user_authority_changed(id).await?;
    let event = Event::new(context, actor, USER_UPDATED).target(id, Some(after.name.as_str())).changed_personal(
        "name",
        before.name.as_str(),
        after.name.as_str(),
    );
    unit.append_event(event).await?;
    Ok(after)
}

/// Disable a user.
#[derive(Debug, Clone, Copy)]
pub struct DisablePerson {
    /// The user.
    pub user: UserId,
    /// Whether a tenant may be left without an active owner.
    pub force: bool,
}

impl Command for DisablePerson {
    const REQUIRES: Requirement = Requirement::Operator;
    const EVENTS: &'static [Action] = &[USER_DISABLED, SESSION_ENDED];
}

/// Disables a user and ends all their sessions, by an operator. Without `force` it fails with
/// [`TenancyError::LastOwner`] when a tenant would be left without an active owner.
pub async fn disable_person(
    unit: &mut (impl People + Sessions + Memberships + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: DisablePerson,
) -> Result<(), IdentityError> {
    authorize::<DisablePerson>(unit, actor, context).await?;
    let DisablePerson { user: id, force } = command;
    let tenants = lock_tenants_of(unit, id, force).await?;
    if !change_status(unit, actor, context, id, PersonStatus::Disabled).await? {
        return Ok(());
    }
    require_no_other_tenant(unit, id, &tenants).await?;
    let ended = unit.end_sessions_of_user(id, None, EndReason::PersonDisabled, context.now()).await?;
    note_ended(unit, actor, context, &ended, EndReason::PersonDisabled).await
}

/// Locks every tenant of the user, always in the same order, and returns their ids. Without `force` it fails with
/// [`TenancyError::LastOwner`] when one would be left without an active owner.
pub(crate) async fn lock_tenants_of(
    unit: &mut (impl Memberships + Authorities + ?Sized),
    id: UserId,
    force: bool,
) -> Result<Vec<TenantId>, IdentityError> {
    let mut tenants: Vec<TenantId> = unit.tenants_of(id).await?.iter().map(|(m, _)| m.tenant).collect();
    tenants.sort();
    for tenant in &tenants {
        unit.lock_tenant(*tenant).await?;
        if !force && unit.active_owners(*tenant).await? == [id] {
            return Err(TenancyError::LastOwner.into());
        }
    }
    Ok(tenants)
}

/// Fails when the user is a member of a tenant that is not among `locked`. Call it after the user's row is locked.
pub(crate) async fn require_no_other_tenant(
    unit: &mut (impl Memberships + ?Sized),
    id: UserId,
    locked: &[TenantId],
) -> Result<(), IdentityError> {
    if unit.tenants_of(id).await?.iter().any(|(m, _)| !locked.contains(&m.tenant)) {
        return Err(StoreError::Collision("the person has joined another tenant in the meantime".into()).into());
    }
    Ok(())
}

/// Enable a disabled user.
#[derive(Debug, Clone, Copy)]
pub struct EnablePerson {
    /// The user.
    pub user: UserId,
}

impl Command for EnablePerson {
    const REQUIRES: Requirement = Requirement::Operator;
    const EVENTS: &'static [Action] = &[USER_ENABLED];
}

/// Enables a disabled user, by an operator. Ended sessions stay ended.
pub async fn enable_person(
    unit: &mut (impl People + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: EnablePerson,
) -> Result<(), IdentityError> {
    authorize::<EnablePerson>(unit, actor, context).await?;
    change_status(unit, actor, context, command.user, PersonStatus::Enabled).await.map(|_| ())
}

async fn change_status(
    unit: &mut (impl People + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    id: UserId,
    status: PersonStatus,
) -> Result<bool, IdentityError> {
    let mut person = unit.lock_person(id).await?.ok_or(IdentityError::NotFound)?;
    if person.status == status {
        return Ok(false);
    }
    let before = person.status;
    person.status = status;
    unit.update_person(&person).await?;
    unit.user_authority_changed(id).await?;
    let action = match status {
        PersonStatus::Enabled => USER_ENABLED,
        PersonStatus::Disabled => USER_DISABLED,
    };
    let event = Event::new(context, actor, action).target(id, Some(person.name.as_str())).changed(
        "status",
        before.name(),
        status.name(),
    );
    unit.append_event(event).await?;
    Ok(true)
}
