//! Signing in: who somebody claims to be is looked up, the password compared outside any unit, and what was read
//! is compared again in the unit that makes the session.

use tenantry_kernel::{
    Action, Actor, Authorities, EmailAddress, Journal, Refusal, StoreError, TenantStatus, UserId, World,
};
use tenantry_tenancy::{Membership, MembershipStatus, Memberships, Slug, Tenant};
use uuid::Uuid;

use crate::{
    Attempts, Credentials, IdentityError, PasswordHash, People, Person, PersonStatus, RefreshKeys, Session,
    SessionPolicy, Sessions, Spent,
    guessing::give_back,
    sessions::{Beginning, start_session},
    vocabulary::{SESSION_ENDED, SESSION_STARTED, SIGN_IN_FAILED},
};

/// Who somebody claims to be: read before the password is compared.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The person of the address.
    pub user: UserId,
    /// The hash that the password is to be compared with.
    pub hash: PasswordHash,
    /// The version of the credential that the hash belongs to.
    pub credential_version: i64,
}

/// Looks up who signs in with this address. `None` must cost the caller a hash all the same.
pub async fn find_candidate(
    unit: &mut (impl People + Credentials + ?Sized),
    email: &EmailAddress,
) -> Result<Option<Candidate>, StoreError> {
    let person = unit.person_by_email(email).await?;
    // Looked up for nobody too: one statement less would tell, by the time it takes, who is unknown.
    let user = person.map_or(UserId::from_uuid(Uuid::nil()), |person| person.id);
    candidate_of(unit, user).await
}

/// Looks up how somebody who is known already would sign in, whatever their address is by now.
pub async fn candidate_of(
    unit: &mut (impl Credentials + ?Sized),
    user: UserId,
) -> Result<Option<Candidate>, StoreError> {
    let credential = unit.credential_of(user).await?;
    Ok(credential.map(|credential| Candidate { user, hash: credential.hash, credential_version: credential.version }))
}

/// Sign in as a candidate whose password was right.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Who.
    pub candidate: Candidate,
    /// The tenant asked for; without one the last used that may be used.
    pub slug: Option<Slug>,
    /// A hash with today's parameters, when the one kept is weaker.
    pub renewed_hash: Option<PasswordHash>,
    /// What the try has cost.
    pub spent: Option<Spent>,
}

impl SignIn {
    /// The events that signing in can leave.
    pub const EVENTS: &'static [Action] = &[SESSION_STARTED, SESSION_ENDED, SIGN_IN_FAILED];
}

/// Somebody who has signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Who.
    pub person: Person,
    /// Their new session.
    pub session: Session,
    /// The tenant that the session is in.
    pub tenant: Option<Tenant>,
    /// The tenants that they could switch to, this one included.
    pub tenants: Vec<Tenant>,
}

/// What signing in writes to.
pub trait SigningIn: People + Credentials + Sessions + Memberships + Attempts + Authorities + Journal {}
impl<T: People + Credentials + Sessions + Memberships + Attempts + Authorities + Journal + ?Sized> SigningIn for T {}

/// Makes the session, if the person may still sign in with the password that was compared.
pub async fn complete_sign_in(
    unit: &mut (impl SigningIn + ?Sized),
    actor: &Actor,
    world: &World,
    keys: &dyn RefreshKeys,
    policy: &SessionPolicy,
    command: SignIn,
) -> Result<SignedIn, IdentityError> {
    let candidate = command.candidate;
    let person = unit.lock_person(candidate.user).await?.ok_or(IdentityError::InvalidCredentials)?;
    let mut credential = unit.credential_of(person.id).await?.ok_or(IdentityError::InvalidCredentials)?;
    if person.status == PersonStatus::Disabled || credential.version != candidate.credential_version {
        return Err(IdentityError::InvalidCredentials);
    }
    let memberships = active_memberships(unit.tenants_of(person.id).await?);
    let tenant = match &command.slug {
        Some(slug) => Some(tenant_of_slug(&memberships, slug)?),
        None => default_tenant(&memberships).cloned(),
    };
    if let Some(tenant) = &tenant {
        // Held until the session is committed, so that a deactivation either sees the session or comes first.
        let membership = unit.lock_membership(tenant.id, person.id).await?;
        if membership.is_none_or(|m| m.status != MembershipStatus::Active) {
            return Err(IdentityError::InvalidCredentials);
        }
    }
    if let Some(hash) = command.renewed_hash {
        credential.hash = hash;
        unit.update_credential(&credential).await?;
    }
    if let Some(spent) = &command.spent {
        give_back(unit, world, spent).await?;
    }
    let actor = actor.known_as(person.id, person.name.as_str()).within(tenant.as_ref().map(|t| t.id));
    let session = start_session(unit, &actor, world, keys, policy, Beginning::SignIn).await?;
    let tenants = memberships.into_iter().map(|(_, tenant)| tenant).collect();
    Ok(SignedIn { person, session, tenant, tenants })
}

/// The tenant that a sign-in enters which names none: the last used that may be used.
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
