//! Acceptance of invitations: only by the owner of the invited address, and only with permissions that the inviter
//! still holds at the time of acceptance.

use std::{collections::HashSet, net::IpAddr};
use tenantry_jobs::JobQueue;
use tenantry_kernel::{
    Action, Actor, Authorities, Context, Event, Journal, Name, PermissionSet, Refusal, RoleId, TenantStatus,
};
use tenantry_tenancy::{
    Invitation, InvitationState, Invitations, Membership, MembershipStatus, Memberships, Role, Roles, Tenant, Tenants,
    ensure_may_confer, role_names,
    vocabulary::{INVITATION_ACCEPTED, INVITATIONS_MANAGE, MEMBERSHIP_CREATED},
};

use crate::{
    Attempts, CredentialStore, EndReason, IdentityError, Links, NewPerson, PasswordHash, People, Person, PersonStatus,
    Proof, Proven, RefreshKeys, Registrations, Session, SessionPolicy, Sessions,
    guessing::{forget_addresses, note_seen},
    recovery::set_password,
    registration::{email_verified, insert_person},
    sessions::{SessionOrigin, note_ended, start_session},
    vocabulary::{
        SESSION_ENDED, SESSION_STARTED, SIGN_IN_FAILED, USER_EMAIL_VERIFIED, USER_PASSWORD_RESET, USER_REGISTERED,
        USER_UPDATED,
    },
};

/// An invitation as shown to the client that presents its link.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The invitation.
    pub invitation: Invitation,
    /// The tenant.
    pub tenant: Tenant,
    /// The inviter's name.
    pub inviter: Name,
    /// The account of the address, if there is one.
    pub person: Option<Person>,
    /// The roles that the invitation assigns.
    pub roles: Vec<Role>,
}

impl Offer {
    /// Returns whether the invitee must choose a password: there is no account, or its address is unverified.
    pub fn is_for_new_person(&self) -> bool {
        self.person.as_ref().is_none_or(|person| person.email_verified_at.is_none())
    }
}

/// Ports that an offer is read from.
pub trait Offering: Invitations + Tenants + Roles + Memberships + People {}
impl<T: Invitations + Tenants + Roles + Memberships + People + ?Sized> Offering for T {}

/// Returns the invitation of a link. Fails with [`IdentityError::LinkInvalid`] unless the invitation is open, its
/// inviter holds every permission that it confers, and the invited user is not disabled.
pub async fn find_offer(
    unit: &mut (impl Offering + ?Sized),
    context: &Context,
    token_hash: &[u8; 32],
) -> Result<Offer, IdentityError> {
    let gone = || IdentityError::LinkInvalid;
    let invitation = unit.invitation_by_token(token_hash).await?;
    let invitation = invitation.filter(|invitation| invitation.is_open(context.now())).ok_or_else(gone)?;
    let tenant = unit.tenant_by_id(invitation.tenant).await?.ok_or_else(gone)?;
    let inviter = unit.person_by_id(invitation.invited_by).await?.ok_or_else(gone)?;
    let roles = unit.roles_by_ids(&invitation.roles).await?;
    let held = held_in(unit, &inviter, &tenant).await?;
    let may_invite = held.contains(&INVITATIONS_MANAGE);
    if roles.is_empty() || !may_invite || ensure_may_confer(unit.vocabulary(), &held, &roles).is_err() {
        return Err(gone());
    }
    let person = unit.person_by_email(&invitation.email).await?;
    if person.as_ref().is_some_and(|person| person.status != PersonStatus::Enabled) {
        return Err(gone());
    }
    Ok(Offer { invitation, tenant, inviter: inviter.name, person, roles })
}

/// Returns the permissions that a user holds in a tenant now, whether or not they are signed in.
async fn held_in(
    unit: &mut (impl Memberships + ?Sized),
    person: &Person,
    tenant: &Tenant,
) -> Result<PermissionSet, IdentityError> {
    let membership = unit.membership_in(tenant.id, person.id).await?;
    let is_active = membership.is_some_and(|membership| membership.status == MembershipStatus::Active);
    if !is_active || person.status != PersonStatus::Enabled {
        return Ok(PermissionSet::EMPTY);
    }
    let roles = unit.roles_held_by(person.id).await?;
    let here = roles.iter().filter(|role| role.tenant == tenant.id);
    Ok(here.fold(PermissionSet::EMPTY, |set, role| set.union(&role.permissions)))
}

/// Accept an invitation.
#[derive(Debug, Clone)]
pub struct AcceptInvitation {
    /// Hash of the presented token.
    pub token_hash: [u8; 32],
    /// The accepting user.
    pub as_whom: Acceptor,
    /// Network address from which the link was used.
    pub ip: Option<IpAddr>,
}

/// The accepting user, as read before the unit began.
#[derive(Debug, Clone)]
pub enum Acceptor {
    /// The user of the address, by this proof.
    Existing(Box<Proof>),
    /// A new user, or the owner of a mailbox for which another client has created an unverified account.
    New {
        /// The user's name.
        name: Name,
        /// Hash of the password.
        hash: PasswordHash,
    },
}

impl AcceptInvitation {
    /// The events that an acceptance can append.
    pub const EVENTS: &'static [Action] = &[
        INVITATION_ACCEPTED,
        MEMBERSHIP_CREATED,
        SESSION_STARTED,
        USER_REGISTERED,
        USER_EMAIL_VERIFIED,
        USER_PASSWORD_RESET,
        USER_UPDATED,
        SESSION_ENDED,
        SIGN_IN_FAILED,
    ];
}

/// Result of an acceptance.
#[derive(Debug)]
pub struct Joined {
    /// The user who joined.
    pub person: Person,
    /// The tenant.
    pub tenant: Tenant,
    /// The user's session in the tenant.
    pub session: Session,
    /// Whether the acceptance created the account.
    pub is_new: bool,
}

/// Ports that an acceptance writes to.
pub trait Accepting:
    Offering + CredentialStore + Sessions + Links + Registrations + Attempts + JobQueue + Authorities + Journal
{
}
impl<T> Accepting for T where
    T: Offering
        + CredentialStore
        + Sessions
        + Links
        + Registrations
        + Attempts
        + JobQueue
        + Authorities
        + Journal
        + ?Sized
{
}

/// Makes the owner of the mailbox a member with the invitation's roles, and starts a session in the tenant.
pub async fn accept_invitation(
    unit: &mut (impl Accepting + ?Sized),
    actor: &Actor,
    context: &Context,
    keys: &dyn RefreshKeys,
    policy: &SessionPolicy,
    command: AcceptInvitation,
) -> Result<Joined, IdentityError> {
    let tenant = find_offer(unit, context, &command.token_hash).await?.tenant.id;
    // The tenant is locked first. The offer is read again because it may have changed before the lock.
    unit.lock_tenant(tenant).await?;
    let offer = find_offer(unit, context, &command.token_hash).await?;
    if offer.tenant.id != tenant {
        return Err(IdentityError::LinkInvalid);
    }
    if offer.tenant.status != TenantStatus::Active {
        return Err(Refusal::TenantSuspended.into());
    }
    let Newcomer { person, origin_session, is_new } = newcomer(unit, actor, context, &offer, command.as_whom).await?;
    let actor = &actor.known_as(person.id, person.name.as_str()).within(Some(tenant));

    let membership = Membership::new(tenant, person.id, context.now());
    unit.insert_membership(&membership, &person.member_keys()).await?;
    let ids: Vec<RoleId> = offer.roles.iter().map(|role| role.id).collect::<HashSet<_>>().into_iter().collect();
    unit.replace_roles(tenant, person.id, &ids).await?;
    let mut invitation = offer.invitation;
    invitation.state = InvitationState::Accepted;
    invitation.token_hash = None;
    unit.update_invitation(&invitation).await?;

    let accepted = Event::new(context, actor, INVITATION_ACCEPTED).target(invitation.id, Some(person.email.as_str()));
    unit.append_event(accepted).await?;
    let joined = Event::new(context, actor, MEMBERSHIP_CREATED)
        .target(person.id, Some(person.name.as_str()))
        .set("roles", role_names(&offer.roles));
    unit.append_event(joined).await?;
    note_seen(unit, context, &person.email, command.ip).await?;
    let beginning = origin_session.as_ref().map_or(SessionOrigin::SignIn, SessionOrigin::Sibling);
    let session = start_session(unit, actor, context, keys, policy, beginning).await?;
    Ok(Joined { person, tenant: offer.tenant, session, is_new })
}

/// The joining user, whose row is locked.
struct Newcomer {
    person: Person,
    origin_session: Option<Session>,
    is_new: bool,
}

async fn newcomer(
    unit: &mut (impl Accepting + ?Sized),
    actor: &Actor,
    context: &Context,
    offer: &Offer,
    as_whom: Acceptor,
) -> Result<Newcomer, IdentityError> {
    let known = match &offer.person {
        None => None,
        Some(person) => unit.lock_person(person.id).await?,
    };
    if known.as_ref().is_some_and(|person| person.status != PersonStatus::Enabled) {
        return Err(IdentityError::LinkInvalid);
    }
    let proved = known.clone().filter(|person| person.email_verified_at.is_some());
    match (as_whom, proved) {
        (Acceptor::Existing(proof), Some(person)) => {
            let origin_session = match proof.proven {
                Proven::Session { session, .. } => {
                    let session = unit.session_by_id(session).await?;
                    let session = session.filter(|s| s.user == person.id && s.ended.is_none());
                    Some(session.ok_or(Refusal::SessionEnded)?)
                }
                // The address has another account than at the time of the request. The client must look up the offer
                // again.
                _ if proof.user() != Some(person.id) => return Err(IdentityError::LinkInvalid),
                _ => {
                    proof.current_credential(unit, person.id).await?;
                    proof.succeed(unit, context).await?;
                    None
                }
            };
            Ok(Newcomer { person, origin_session, is_new: false })
        }
        (Acceptor::New { name, hash }, None) => {
            let email = offer.invitation.email.clone();
            unit.delete_registrations_of(&email).await?;
            match known {
                Some(person) => {
                    let person = take_account(unit, actor, context, person, name, hash).await?;
                    Ok(Newcomer { person, origin_session: None, is_new: false })
                }
                None => {
                    let new = NewPerson { email, is_verified: true, name, hash: Some(hash) };
                    let person = insert_person(unit, actor, context, new).await?;
                    let actor = actor.known_as(person.id, person.name.as_str());
                    unit.append_event(email_verified(context, &actor, &person)).await?;
                    Ok(Newcomer { person, origin_session: None, is_new: true })
                }
            }
        }
        // The account was created, deleted or verified since the request. The client must look up the offer again.
        _ => Err(IdentityError::LinkInvalid),
    }
}

/// Transfers an account with an unverified address to the owner of the mailbox. Every session, link and password of the
/// client that created the account becomes invalid.
async fn take_account(
    unit: &mut (impl Accepting + ?Sized),
    actor: &Actor,
    context: &Context,
    before: Person,
    name: Name,
    hash: PasswordHash,
) -> Result<Person, IdentityError> {
    let now = context.now();
    let mut person = Person { name, email_verified_at: Some(now), ..before.clone() };
    unit.update_person(&person).await?;
    person.version += 1;
    unit.user_authority_changed(person.id).await?;
    set_password(unit, context, person.id, hash).await?;
    unit.delete_links_of(person.id).await?;
    let actor = &actor.known_as(person.id, person.name.as_str());
    let renamed = Event::new(context, actor, USER_UPDATED)
        .target(person.id, Some(person.name.as_str()))
        .changed_personal("name", before.name.as_str(), person.name.as_str());
    unit.append_event(renamed).await?;
    let reset = Event::new(context, actor, USER_PASSWORD_RESET)
        .target(person.id, Some(person.name.as_str()))
        .changed_secret("password");
    unit.append_event(reset).await?;
    unit.append_event(email_verified(context, actor, &person)).await?;
    let ended = unit.end_sessions_of_user(person.id, None, EndReason::AccountTaken, now).await?;
    note_ended(unit, actor, context, &ended, EndReason::AccountTaken).await?;
    forget_addresses(unit, &person.email).await?;
    Ok(person)
}
