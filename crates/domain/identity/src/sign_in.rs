//! Sign-in: the password is verified outside any unit. The unit that creates the session checks that the proof still
//! holds.

use tenantry_kernel::{Action, Actor, Authorities, Context, Journal, Refusal, TenantStatus};
use tenantry_tenancy::{Membership, MembershipStatus, Memberships, Slug, Tenant};

use crate::{
    Attempts, CredentialStore, IdentityError, People, Person, PersonStatus, Proof, RefreshKeys, Session, SessionPolicy,
    Sessions,
    sessions::{SessionOrigin, start_session},
    vocabulary::{SESSION_ENDED, SESSION_STARTED, SIGN_IN_FAILED},
};

/// Sign in by a password.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Proof of the password.
    pub proof: Proof,
    /// Slug of the requested tenant; without one the session enters the most recently used active tenant.
    pub slug: Option<Slug>,
}

impl SignIn {
    /// The events that a sign-in can append.
    pub const EVENTS: &'static [Action] = &[SESSION_STARTED, SESSION_ENDED, SIGN_IN_FAILED];
}

/// Result of a sign-in.
#[derive(Debug)]
pub struct SignedIn {
    /// The user.
    pub person: Person,
    /// The new session.
    pub session: Session,
    /// The tenant of the session, if any.
    pub tenant: Option<Tenant>,
    /// The tenants that the user can switch to, including the current one.
    pub tenants: Vec<Tenant>,
}

/// Ports that a sign-in writes to.
pub trait SigningIn: People + CredentialStore + Sessions + Memberships + Attempts + Authorities + Journal {}
impl<T: People + CredentialStore + Sessions + Memberships + Attempts + Authorities + Journal + ?Sized> SigningIn for T {}

/// Creates the session, if the user may still sign in with the password that was compared.
pub async fn complete_sign_in(
    unit: &mut (impl SigningIn + ?Sized),
    actor: &Actor,
    context: &Context,
    keys: &dyn RefreshKeys,
    policy: &SessionPolicy,
    command: SignIn,
) -> Result<SignedIn, IdentityError> {
    let SignIn { proof, slug } = command;
    let user = proof.user().ok_or(IdentityError::InvalidCredentials)?;
    let person = unit.lock_person(user).await?.ok_or(IdentityError::InvalidCredentials)?;
    proof.current_credential(unit, person.id).await?;
    if person.status == PersonStatus::Disabled {
        return Err(IdentityError::InvalidCredentials);
    }
    let memberships = active_memberships(unit.tenants_of(person.id).await?);
    let tenant = match &slug {
        Some(slug) => Some(tenant_of_slug(&memberships, slug)?),
        None => default_tenant(&memberships).cloned(),
    };
    if let Some(tenant) = &tenant {
        // The lock is held until the session is committed. So a deactivation either sees the session or precedes it.
        let membership = unit.lock_membership(tenant.id, person.id).await?;
        if membership.is_none_or(|m| m.status != MembershipStatus::Active) {
            return Err(IdentityError::InvalidCredentials);
        }
    }
    proof.succeed(unit, context).await?;
    let actor = actor.known_as(person.id, person.name.as_str()).within(tenant.as_ref().map(|t| t.id));
    let session = start_session(unit, &actor, context, keys, policy, SessionOrigin::SignIn).await?;
    let tenants = memberships.into_iter().map(|(_, tenant)| tenant).collect();
    Ok(SignedIn { person, session, tenant, tenants })
}

/// Returns the tenant for a sign-in that names none: the most recently used tenant in which both the membership and the
/// tenant are active.
pub fn default_tenant(memberships: &[(Membership, Tenant)]) -> Option<&Tenant> {
    let usable = memberships
        .iter()
        .filter(|(m, tenant)| m.status == MembershipStatus::Active && tenant.status == TenantStatus::Active);
    usable.max_by_key(|(m, _)| (m.last_seen_at.unwrap_or(m.joined_at), m.joined_at)).map(|(_, tenant)| tenant)
}

fn active_memberships(memberships: Vec<(Membership, Tenant)>) -> Vec<(Membership, Tenant)> {
    memberships.into_iter().filter(|(membership, _)| membership.status == MembershipStatus::Active).collect()
}

fn tenant_of_slug(memberships: &[(Membership, Tenant)], slug: &Slug) -> Result<Tenant, IdentityError> {
    let found = memberships.iter().find(|(_, tenant)| tenant.slug == *slug);
    let (_, tenant) = found.ok_or(IdentityError::InvalidCredentials)?;
    match tenant.status {
        TenantStatus::Active => Ok(tenant.clone()),
        TenantStatus::Suspended => Err(Refusal::TenantSuspended.into()),
    }
}
