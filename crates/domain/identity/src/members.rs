//! What concerns a person and their place in a tenant together: taking them in, deactivating, taking them out.

use tenantry_kernel::{
    Action, Actor, Authorities, Command, Event, Journal, Permission, Requirement, TenantId, UserId, World,
};
use tenantry_tenancy::{
    DefaultRole, Membership, MembershipStatus, Memberships, Role, Roles, TenancyError, ensure_owner_remains,
    ensure_owner_touches_owner,
};

use crate::{EndReason, IdentityError, People, Person, Sessions, sessions::note_ended};

/// Deactivate a membership, or activate it again.
#[derive(Debug, Clone, Copy)]
pub struct ChangeMemberStatus {
    /// The member.
    pub user: UserId,
    /// The status that the membership is to have.
    pub status: MembershipStatus,
    /// The version of the membership that the caller has seen.
    pub expected_version: Option<i64>,
}

impl Command for ChangeMemberStatus {
    const REQUIRES: Requirement = Requirement::All(&[Permission::USERS_UPDATE]);
    const EVENTS: &'static [Action] =
        &[Action::MembershipDeactivated, Action::MembershipActivated, Action::SessionEnded];
}

/// Take a person out of the tenant.
#[derive(Debug, Clone, Copy)]
pub struct RemoveMember {
    /// The member.
    pub user: UserId,
    /// The version of the membership that the caller has seen.
    pub expected_version: Option<i64>,
}

impl Command for RemoveMember {
    const REQUIRES: Requirement = Requirement::All(&[Permission::USERS_REMOVE]);
    const EVENTS: &'static [Action] = &[Action::MembershipRemoved, Action::SessionEnded];
}

/// Deactivates a membership and ends its sessions, or activates it again; ended sessions stay ended.
pub async fn change_member_status(
    unit: &mut (impl Memberships + People + Sessions + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: ChangeMemberStatus,
) -> Result<(), IdentityError> {
    let mut member =
        member_to_change::<ChangeMemberStatus>(unit, actor, world, command.user, command.expected_version).await?;
    if member.status == command.status {
        return Ok(());
    }
    let (action, before) = match command.status {
        MembershipStatus::Deactivated => (Action::MembershipDeactivated, member.status),
        MembershipStatus::Active => (Action::MembershipActivated, member.status),
    };
    if command.status == MembershipStatus::Deactivated {
        ensure_owner_remains(unit, &member).await?;
    }
    member.status = command.status;
    unit.update_membership(&member).await?;
    let name = name_of(unit, member.user).await?;
    let event = Event::new(world, actor, action).target(member.user, name.as_deref()).changed(
        "status",
        before.name(),
        member.status.name(),
    );
    unit.append_event(event).await?;
    if member.status == MembershipStatus::Deactivated {
        end_member_sessions(unit, actor, world, &member, EndReason::MembershipDeactivated).await?;
    }
    Ok(())
}

/// Takes a person out of the tenant and ends their sessions in it. The person stays.
pub async fn remove_member(
    unit: &mut (impl Memberships + People + Sessions + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: RemoveMember,
) -> Result<(), IdentityError> {
    let member = member_to_change::<RemoveMember>(unit, actor, world, command.user, command.expected_version).await?;
    ensure_owner_remains(unit, &member).await?;
    let name = name_of(unit, member.user).await?;
    unit.delete_membership(member.user).await?;
    let event = Event::new(world, actor, Action::MembershipRemoved).target(member.user, name.as_deref());
    unit.append_event(event).await?;
    end_member_sessions(unit, actor, world, &member, EndReason::MembershipRemoved).await
}

/// Takes a known person into a tenant with a role, by an operator.
pub async fn add_member(
    unit: &mut (impl Memberships + Roles + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    tenant: TenantId,
    person: &Person,
    role: &Role,
) -> Result<(), IdentityError> {
    unit.lock_tenant(tenant).await?;
    let membership = Membership {
        tenant,
        user: person.id,
        status: MembershipStatus::Active,
        version: 1,
        joined_at: world.now(),
        last_seen_at: None,
    };
    unit.insert_membership(&membership, &person.member_keys()).await?;
    unit.replace_roles(tenant, person.id, &[role.id]).await?;
    let event = Event::new(world, &actor.within(Some(tenant)), Action::MembershipCreated)
        .target(person.id, Some(person.name.as_str()))
        .set("roles", vec![role.name.to_string()]);
    unit.append_event(event).await?;
    Ok(())
}

/// Locks power in the tenant and finds the member, if the actor may change that one.
async fn member_to_change<C: Command>(
    unit: &mut (impl Memberships + Authorities + ?Sized),
    actor: &Actor,
    world: &World,
    user: UserId,
    expected_version: Option<i64>,
) -> Result<Membership, IdentityError> {
    let held = unit.lock_authority(actor, world.now()).await?.ok_or(IdentityError::SessionEnded)?;
    held.require::<C>()?;
    let member = unit.membership_of(user).await?.ok_or(TenancyError::NotFound)?;
    let roles = unit.roles_of(&[user]).await?;
    if roles.iter().any(|holding| holding.role.system == Some(DefaultRole::Owner)) {
        ensure_owner_touches_owner(held.active_tenant()?)?;
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
    world: &World,
    member: &Membership,
    reason: EndReason,
) -> Result<(), IdentityError> {
    let ended = unit.end_sessions_of_member(member.tenant, member.user, reason, world.now()).await?;
    note_ended(unit, actor, world, &ended, reason).await
}
