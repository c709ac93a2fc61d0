//! Use cases that concern a user and their membership together: adding, deactivating and removing members.

use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, DefaultRole, Event, Journal, Refusal, Requirement, StoreError,
    TenantId, UserId, authorize,
};
use tenantry_tenancy::{
    Membership, MembershipStatus, Memberships, Role, Roles, TenancyError, ensure_owner_remains,
    ensure_owner_touches_owner, role_names,
    vocabulary::{
        MEMBERSHIP_ACTIVATED, MEMBERSHIP_CREATED, MEMBERSHIP_DEACTIVATED, MEMBERSHIP_REMOVED, MEMBERSHIP_ROLES_CHANGED,
        TENANT_OWNERSHIP_TRANSFERRED, USERS_REMOVE, USERS_UPDATE,
    },
};

use crate::{
    EndReason, IdentityError, People, Person, PersonStatus, Sessions, sessions::note_ended, vocabulary::SESSION_ENDED,
};

/// Deactivate or activate a membership.
#[derive(Debug, Clone, Copy)]
pub struct ChangeMemberStatus {
    /// The member.
    pub user: UserId,
    /// The new status.
    pub status: MembershipStatus,
    /// The version of the membership that the caller has read.
    pub expected_version: Option<i64>,
}

impl Command for ChangeMemberStatus {
    const REQUIRES: Requirement = Requirement::All(&[USERS_UPDATE]);
    const EVENTS: &'static [Action] = &[MEMBERSHIP_DEACTIVATED, MEMBERSHIP_ACTIVATED, SESSION_ENDED];
    const LOCKS_TENANT: bool = true;
}

/// Remove a member from the tenant.
#[derive(Debug, Clone, Copy)]
pub struct RemoveMember {
    /// The member.
    pub user: UserId,
    /// The version of the membership that the caller has read.
    pub expected_version: Option<i64>,
}

impl Command for RemoveMember {
    const REQUIRES: Requirement = Requirement::All(&[USERS_REMOVE]);
    const EVENTS: &'static [Action] = &[MEMBERSHIP_REMOVED, SESSION_ENDED];
    const LOCKS_TENANT: bool = true;
}

/// Deactivates a membership and ends its sessions, or activates it again. Ended sessions stay ended.
pub async fn change_member_status(
    unit: &mut (impl Memberships + People + Sessions + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: ChangeMemberStatus,
) -> Result<(), IdentityError> {
    let mut member =
        member_to_change::<ChangeMemberStatus>(unit, actor, context, command.user, command.expected_version).await?;
    if member.status == command.status {
        return Ok(());
    }
    let (action, before) = match command.status {
        MembershipStatus::Deactivated => (MEMBERSHIP_DEACTIVATED, member.status),
        MembershipStatus::Active => (MEMBERSHIP_ACTIVATED, member.status),
    };
    if command.status == MembershipStatus::Deactivated {
        ensure_owner_remains(unit, &member).await?;
    }
    member.status = command.status;
    unit.update_membership(&member).await?;
    let name = name_of(unit, member.user).await?;
    let event = Event::new(context, actor, action).target(member.user, name.as_deref()).changed(
        "status",
        before.name(),
        member.status.name(),
    );
    unit.append_event(event).await?;
    if member.status == MembershipStatus::Deactivated {
        end_member_sessions(unit, actor, context, &member, EndReason::MembershipDeactivated).await?;
    }
    Ok(())
}

/// Removes a user from the tenant and ends their sessions in it. The account remains.
pub async fn remove_member(
    unit: &mut (impl Memberships + People + Sessions + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: RemoveMember,
) -> Result<(), IdentityError> {
    let member = member_to_change::<RemoveMember>(unit, actor, context, command.user, command.expected_version).await?;
    ensure_owner_remains(unit, &member).await?;
    let name = name_of(unit, member.user).await?;
    unit.delete_membership(member.user).await?;
    let event = Event::new(context, actor, MEMBERSHIP_REMOVED).target(member.user, name.as_deref());
    unit.append_event(event).await?;
    end_member_sessions(unit, actor, context, &member, EndReason::MembershipRemoved).await
}

/// Leave the tenant.
#[derive(Debug, Clone, Copy)]
pub struct LeaveTenant;

impl Command for LeaveTenant {
    const REQUIRES: Requirement = Requirement::Member;
    const EVENTS: &'static [Action] = RemoveMember::EVENTS;
    const LOCKS_TENANT: bool = true;
}

/// Removes the acting user from their session's tenant and ends their sessions in it.
pub async fn leave_tenant(
    unit: &mut (impl Memberships + Sessions + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    _: LeaveTenant,
) -> Result<(), IdentityError> {
    let authority = authorize::<LeaveTenant>(unit, actor, context).await?;
    let member = unit.membership_of(authority.user()?).await?.ok_or(Refusal::SessionEnded)?;
    ensure_owner_remains(unit, &member).await?;
    unit.delete_membership(member.user).await?;
    let event = Event::new(context, actor, MEMBERSHIP_REMOVED).target(member.user, actor.name());
    unit.append_event(event).await?;
    end_member_sessions(unit, actor, context, &member, EndReason::MembershipRemoved).await
}

/// Transfer ownership of the tenant to another member.
#[derive(Debug, Clone, Copy)]
pub struct TransferOwnership {
    /// The member who becomes an owner.
    pub user: UserId,
}

impl Command for TransferOwnership {
    const REQUIRES: Requirement = Requirement::Owner;
    const EVENTS: &'static [Action] = &[TENANT_OWNERSHIP_TRANSFERRED, MEMBERSHIP_ROLES_CHANGED];
    const LOCKS_TENANT: bool = true;
}

/// Makes another active member an owner. The acting owner gets the role `admin` in place of `owner`.
pub async fn transfer_ownership(
    unit: &mut (impl Memberships + Roles + People + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: TransferOwnership,
) -> Result<(), IdentityError> {
    let authority = authorize::<TransferOwnership>(unit, actor, context).await?;
    authority.require_verified_email()?;
    let tenant = authority.active_tenant()?;
    let owner = authority.session()?;
    let unknown = || IdentityError::Unknown { field: "userId" };
    let new_owner = unit.membership_of(command.user).await?.ok_or_else(unknown)?;
    let person = unit.person_by_id(new_owner.user).await?.ok_or_else(unknown)?;
    let may_own = new_owner.status == MembershipStatus::Active && person.status == PersonStatus::Enabled;
    if !may_own || new_owner.user == owner.user {
        return Err(TenancyError::InvalidState.into());
    }
    let missing = || StoreError::Inconsistent { table: "roles", column: "(a default role of the tenant)" };
    let owner_role = unit.default_role(tenant.id, DefaultRole::Owner).await?.ok_or_else(missing)?;
    let admin_role = unit.default_role(tenant.id, DefaultRole::Admin).await?.ok_or_else(missing)?;
    let former_owner = unit.membership_of(owner.user).await?.ok_or(Refusal::SessionEnded)?;
    let event = Event::new(context, actor, TENANT_OWNERSHIP_TRANSFERRED)
        .target(tenant.id, Some(tenant.name.as_str()))
        .set("owner", new_owner.user.to_string());
    unit.append_event(event).await?;
    exchange(unit, actor, context, &new_owner, Some(person.name.as_str()), None, &owner_role).await?;
    exchange(unit, actor, context, &former_owner, Some(owner.name.as_str()), Some(&owner_role), &admin_role).await
}

/// Assigns a role to a member and unassigns another one.
async fn exchange(
    unit: &mut (impl Memberships + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    member: &Membership,
    name: Option<&str>,
    removed: Option<&Role>,
    added: &Role,
) -> Result<(), IdentityError> {
    let before: Vec<Role> =
        unit.roles_of(&[member.user]).await?.into_iter().map(|assignment| assignment.role).collect();
    let mut after = before.clone();
    after.retain(|role| removed.is_none_or(|removed| removed.id != role.id));
    if after.iter().all(|role| role.id != added.id) {
        after.push(added.clone());
    }
    if after == before {
        return Ok(());
    }
    let ids: Vec<_> = after.iter().map(|role| role.id).collect();
    unit.replace_roles(member.tenant, member.user, &ids).await?;
    unit.update_membership(member).await?;
    unit.user_authority_changed(member.user).await?;
    let event = Event::new(context, actor, MEMBERSHIP_ROLES_CHANGED).target(member.user, name).changed(
        "roles",
        role_names(&before),
        role_names(&after),
    );
    unit.append_event(event).await?;
    Ok(())
}

/// Add an existing user to a tenant with a role, as an operator.
#[derive(Debug, Clone, Copy)]
pub struct AddMember<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub person: &'a Person,
    /// A role of the tenant.
    pub role: &'a Role,
}

impl Command for AddMember<'_> {
    const REQUIRES: Requirement = Requirement::Operator;
    const EVENTS: &'static [Action] = &[MEMBERSHIP_CREATED];
    const LOCKS_TENANT: bool = true;
}

/// Adds an existing user to a tenant with a role, by an operator.
pub async fn add_member(
    unit: &mut (impl Memberships + Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: AddMember<'_>,
) -> Result<(), IdentityError> {
    let AddMember { tenant, person, role } = command;
    let actor = &actor.within(Some(tenant));
    authorize::<AddMember<'_>>(unit, actor, context).await?;
    let membership = Membership::new(tenant, person.id, context.now());
    unit.insert_membership(&membership, &person.member_keys()).await?;
    unit.replace_roles(tenant, person.id, &[role.id]).await?;
    let event = Event::new(context, actor, MEMBERSHIP_CREATED)
        .target(person.id, Some(person.name.as_str()))
        .set("roles", vec![role.name.to_string()]);
    unit.append_event(event).await?;
    Ok(())
}

/// Authorizes the command and returns the member to change. Only an owner may change an owner. Fails with
/// [`IdentityError::VersionConflict`] when the membership has another version than the expected one.
async fn member_to_change<C: Command>(
    unit: &mut (impl Memberships + Authorities + ?Sized),
    actor: &Actor,
    context: &Context,
    user: UserId,
    expected_version: Option<i64>,
) -> Result<Membership, IdentityError> {
    let authority = authorize::<C>(unit, actor, context).await?;
    let member = unit.membership_of(user).await?.ok_or(TenancyError::NotFound)?;
    let roles = unit.roles_of(&[user]).await?;
    if roles.iter().any(|assignment| assignment.role.system == Some(DefaultRole::Owner)) {
        ensure_owner_touches_owner(authority.active_tenant()?)?;
    }
    match expected_version {
        Some(expected) if expected != member.version => Err(IdentityError::VersionConflict),
        _ => Ok(member),
    }
}

async fn name_of(unit: &mut (impl People + ?Sized), user: UserId) -> Result<Option<String>, IdentityError> {
    Ok(unit.person_by_id(user).await?.map(|person| person.name.to_string()))
}

async fn end_member_sessions(
    unit: &mut (impl Sessions + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    member: &Membership,
    reason: EndReason,
) -> Result<(), IdentityError> {
    let ended = unit.end_sessions_of_member(member.tenant, member.user, reason, context.now()).await?;
    note_ended(unit, actor, context, &ended, reason).await
}
