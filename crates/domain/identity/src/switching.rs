//! One user in several tenants: switching to another tenant through a sibling session, and founding one more tenant.

use tenantry_jobs::JobQueue;
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, Journal, Name, Refusal, Requirement, TenantId, TenantStatus,
};
use tenantry_tenancy::{
    FoundTenant, Founding, MembershipStatus, Memberships, Plan, Slug, Tenant, found_tenant,
    vocabulary::{MEMBERSHIP_CREATED, TENANT_CREATED},
};

use crate::{
    Attempts, EndReason, IdentityError, People, Person, RefreshKeys, RefreshToken, Session, SessionPolicy, Sessions,
    guessing::note_seen,
    sessions::{RefreshOutcome, SessionOrigin, end_replayed, note_ended, start_session},
    vocabulary::{SESSION_ENDED, SESSION_REPLAYED, SESSION_STARTED},
};

/// List the acting user's tenants.
#[derive(Debug, Clone, Copy)]
pub struct OwnTenants;

impl Command for OwnTenants {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[];
}

/// Found a tenant that the acting user owns.
#[derive(Debug, Clone)]
pub struct FoundOwnTenant {
    /// The tenant's name.
    pub name: Name,
    /// The requested slug; without one it is derived from the name.
    pub slug: Option<Slug>,
}

impl Command for FoundOwnTenant {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[TENANT_CREATED, MEMBERSHIP_CREATED];
}

/// Founds a tenant that the acting user owns. The user's session stays in its tenant.
pub async fn found_own_tenant(
    unit: &mut (impl Founding + People + ?Sized),
    actor: &Actor,
    context: &Context,
    command: FoundOwnTenant,
) -> Result<Tenant, IdentityError> {
    let (_, user) = actor.session()?;
    let person = unit.lock_person(user).await?.ok_or(Refusal::SessionEnded)?;
    let founding = FoundTenant {
        name: command.name,
        slug: command.slug,
        plan: Plan::first(),
        owner: person.id,
        owner_name: person.name.clone(),
        owner_keys: person.member_keys(),
    };
    Ok(found_tenant(unit, actor, context, founding).await?)
}

/// Switch to another tenant.
#[derive(Debug, Clone, Copy)]
pub struct SwitchTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// The acting session's refresh token: an access token alone cannot start another session.
    pub token: RefreshToken,
    /// Whether to end the acting session.
    pub end_current: bool,
}

impl Command for SwitchTenant {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[SESSION_STARTED, SESSION_ENDED, SESSION_REPLAYED];
}

/// Result of a switch.
#[derive(Debug)]
pub enum Switched {
    /// The user continues in the other tenant.
    There(Box<Elsewhere>),
    /// The refresh token was a copy, and every session of its sign-in has been ended. The unit must be committed.
    Replayed,
}

/// A user who has switched to another tenant.
#[derive(Debug)]
pub struct Elsewhere {
    /// The user.
    pub person: Person,
    /// The tenant.
    pub tenant: Tenant,
    /// The user's session in the tenant.
    pub session: Session,
}

/// Ports that a switch writes to.
pub trait Switching: People + Sessions + Memberships + Attempts + JobQueue + Authorities + Journal {}
impl<T: People + Sessions + Memberships + Attempts + JobQueue + Authorities + Journal + ?Sized> Switching for T {}

/// Starts a sibling of the acting session in another tenant of the user. Fails with [`IdentityError::Unknown`] for a
/// tenant in which the user has no active membership.
pub async fn switch_tenant(
    unit: &mut (impl Switching + ?Sized),
    actor: &Actor,
    context: &Context,
    keys: &dyn RefreshKeys,
    policy: &SessionPolicy,
    command: SwitchTenant,
) -> Result<Switched, IdentityError> {
    let (acting, user) = actor.session()?;
    let now = context.now();
    let person = unit.lock_person(user).await?.ok_or(Refusal::SessionEnded)?;
    let session = unit.session_by_id(acting).await?.ok_or(Refusal::SessionEnded)?;
    let key = keys.key(&session.key_id).ok_or(IdentityError::TokenInvalid)?;
    if command.token.session != session.id || !command.token.is_made_by(&key) {
        return Err(IdentityError::TokenInvalid);
    }
    if !session.is_live(now, policy) {
        return Err(Refusal::SessionEnded.into());
    }
    match session.refresh_outcome(command.token.rotation, now, policy) {
        RefreshOutcome::Current | RefreshOutcome::JustRotated => {}
        RefreshOutcome::Unknown => return Err(IdentityError::TokenInvalid),
        RefreshOutcome::Replayed => {
            end_replayed(unit, actor, context, &session).await?;
            return Ok(Switched::Replayed);
        }
    }
    let not_there = || IdentityError::Unknown { field: "tenantId" };
    let mine = unit.tenants_of(user).await?;
    let (_, tenant) = mine.into_iter().find(|(_, tenant)| tenant.id == command.tenant).ok_or_else(not_there)?;
    // The lock is held until the session is committed. So a deactivation either sees the session or precedes it.
    let membership = unit.lock_membership(tenant.id, user).await?;
    if membership.is_none_or(|membership| membership.status != MembershipStatus::Active) {
        return Err(not_there());
    }
    if tenant.status == TenantStatus::Suspended {
        return Err(Refusal::TenantSuspended.into());
    }
    let there = actor.within(Some(tenant.id));
    let sibling = start_session(unit, &there, context, keys, policy, SessionOrigin::Sibling(&session)).await?;
    note_seen(unit, context, &person.email, actor.origin.ip).await?;
    if command.end_current {
        let ended = unit.end_session(session.id, EndReason::Switched, now).await?;
        note_ended(unit, actor, context, &ended, EndReason::Switched).await?;
    }
    Ok(Switched::There(Box::new(Elsewhere { person, tenant, session: sibling })))
}
