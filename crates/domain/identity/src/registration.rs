//! Registration: creates a user, their tenant and their first session in one unit. Where addresses must be verified,
//! the requested account waits in a [`Registration`] until the client has proved both the mailbox and the password.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, time::Duration};
use tenantry_jobs::{JobQueue, Kind, NewJob, RetryPolicy, Sealer};
use tenantry_kernel::{
    Action, Actor, ActorKind, Authorities, Context, EmailAddress, Event, Journal, Name, StoreError, Timestamp, UserId,
};
use tenantry_mails::{AttachedLink, send_email};
use tenantry_tenancy::vocabulary::{MEMBERSHIP_CREATED, TENANT_CREATED};
use tenantry_tenancy::{FoundTenant, Founding, Plan, Slug, Tenant, found_tenant};

use crate::{
    Attempts, Credential, CredentialStore, IdentityError, LinkKind, LinkPurpose, LinkToken, Links, PasswordHash,
    People, Person, PersonStatus, Proof, Proven, RefreshKeys, RegistrationId, Session, SessionPolicy, Sessions,
    emails::{AccountExistsEmail, ConfirmRegistrationEmail, WelcomeEmail},
    guessing::note_seen,
    sessions::{SessionOrigin, start_session},
    verification::new_link,
    vocabulary::{SESSION_STARTED, SIGN_IN_FAILED, USER_EMAIL_VERIFIED, USER_REGISTERED},
};

/// Maximum number of open registrations per address. The oldest is deleted first.
pub const MAX_OPEN_REGISTRATIONS: usize = 5;

/// A user to create. The password is checked for guessability and hashed before the unit begins.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// The email address for sign-in.
    pub email: EmailAddress,
    /// Whether the address is verified.
    pub is_verified: bool,
    /// The user's name.
    pub name: Name,
    /// Hash of the password; without one the user chooses a password through a mailed link.
    pub hash: Option<PasswordHash>,
}

/// Register a user together with a tenant of their own.
#[derive(Debug, Clone)]
pub struct Register {
    /// The email address for sign-in.
    pub email: EmailAddress,
    /// The user's name.
    pub name: Name,
    /// Hash of the password.
    pub hash: PasswordHash,
    /// The tenant's name.
    pub tenant_name: Name,
    /// The tenant's slug; without one it is derived from the name.
    pub tenant_slug: Option<Slug>,
}

impl Register {
    /// The events that a registration appends.
    pub const EVENTS: &'static [Action] = &[USER_REGISTERED, TENANT_CREATED, MEMBERSHIP_CREATED, SESSION_STARTED];
}

/// Result of a registration.
#[derive(Debug)]
pub struct Registered {
    /// The new user.
    pub person: Person,
    /// The user's tenant.
    pub tenant: Tenant,
    /// The user's first session, in that tenant.
    pub session: Session,
}

/// Ports that a registration writes to.
pub trait Registering:
    Founding + People + CredentialStore + Sessions + Links + Attempts + JobQueue + Authorities
{
}
impl<T: Founding + People + CredentialStore + Sessions + Links + Attempts + JobQueue + Authorities + ?Sized> Registering
    for T
{
}

/// Creates the user, the tenant with its default roles and its owner, and a session in the tenant. Enqueues a welcome
/// email with a link that verifies the address.
pub async fn register(
    unit: &mut (impl Registering + ?Sized),
    actor: &Actor,
    context: &Context,
    keys: &(impl RefreshKeys + Sealer),
    policy: &SessionPolicy,
    command: Register,
) -> Result<Registered, IdentityError> {
    let made = make(unit, actor, context, keys, policy, command, false).await?;
    note_seen(unit, context, &made.person.email, actor.origin.ip).await?;
    let (link, token) = new_link(context, &made.person, LinkKind::Verify, LinkPurpose::Verify.lifetime());
    unit.put_link(&link).await?;
    let attached = AttachedLink {
        purpose: LinkPurpose::Verify.name(),
        token: token.text(),
        expires_at: link.expires_at,
        sealer: keys,
    };
    welcome(unit, actor, context, &made.person, &made.tenant, Some(attached)).await?;
    Ok(made)
}

async fn make(
    unit: &mut (impl Registering + ?Sized),
    actor: &Actor,
    context: &Context,
    keys: &impl RefreshKeys,
    policy: &SessionPolicy,
    command: Register,
    is_verified: bool,
) -> Result<Registered, IdentityError> {
    let new = NewPerson { email: command.email, is_verified, name: command.name, hash: Some(command.hash) };
    let person = insert_person(unit, actor, context, new).await?;
    let actor = actor.known_as(person.id, person.name.as_str());
    let founding = FoundTenant {
        name: command.tenant_name,
        slug: command.tenant_slug,
        plan: Plan::first(),
        owner: person.id,
        owner_name: person.name.clone(),
        owner_keys: person.member_keys(),
    };
    let tenant = found_tenant(unit, &actor, context, founding).await?;
    let actor = actor.within(Some(tenant.id));
    let session = start_session(unit, &actor, context, keys, policy, SessionOrigin::SignIn).await?;
    Ok(Registered { person, tenant, session })
}

/// Enqueues the welcome email to a new user.
async fn welcome(
    unit: &mut (impl JobQueue + ?Sized),
    actor: &Actor,
    context: &Context,
    person: &Person,
    tenant: &Tenant,
    attached: Option<AttachedLink<'_>>,
) -> Result<(), IdentityError> {
    let mail = WelcomeEmail { name: person.name.to_string(), tenant: tenant.name.to_string() };
    Ok(send_email(unit, actor, context, None, &person.email, mail, attached).await?)
}

/// Creates a link by which a user whose account an operator created chooses the first password. The link has the
/// lifetime of an invitation, which is longer than that of a requested reset. It is mailed if `by_mail` is set;
/// otherwise the operator passes the returned token on.
pub async fn offer_first_password(
    unit: &mut (impl Links + JobQueue + ?Sized),
    actor: &Actor,
    context: &Context,
    sealer: &dyn Sealer,
    person: &Person,
    tenant: &Tenant,
    by_mail: bool,
) -> Result<LinkToken, IdentityError> {
    let (link, token) = new_link(context, person, LinkKind::Reset, LinkPurpose::Invite.lifetime());
    unit.put_link(&link).await?;
    if by_mail {
        let attached = AttachedLink {
            purpose: LinkPurpose::Reset.name(),
            token: token.text(),
            expires_at: link.expires_at,
            sealer,
        };
        welcome(unit, actor, context, person, tenant, Some(attached)).await?;
    }
    Ok(token)
}

/// Creates a user and appends `user.registered`, which belongs to no tenant.
pub async fn insert_person(
    unit: &mut (impl People + CredentialStore + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    new: NewPerson,
) -> Result<Person, IdentityError> {
    let now = context.now();
    let person = Person {
        id: UserId::new(context),
        email: new.email,
        email_verified_at: new.is_verified.then_some(now),
        name: new.name,
        status: PersonStatus::Enabled,
        version: 1,
        created_at: now,
    };
    unit.insert_person(&person).await?;
    if let Some(hash) = new.hash {
        unit.insert_credential(&Credential { user: person.id, hash, version: 1, changed_at: now }).await?;
    }
    let actor = match actor.kind {
        ActorKind::Anonymous => actor.known_as(person.id, person.name.as_str()),
        _ => actor.clone(),
    };
    let event = Event::new(context, &actor.within(None), USER_REGISTERED)
        .target(person.id, Some(person.name.as_str()))
        .set_personal("email", person.email.as_str())
        .set_personal("name", person.name.as_str());
    unit.append_event(event).await?;
    Ok(person)
}

/// The account that a client requested by registering, until the client confirms the address.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Id of the registration.
    pub id: RegistrationId,
    /// The account and tenant to create.
    pub wanted: Register,
    /// SHA-256 of the mailed token, once one was mailed.
    pub token_hash: Option<[u8; 32]>,
    /// Time of the request.
    pub created_at: Timestamp,
    /// Time until which the registration can be confirmed.
    pub expires_at: Timestamp,
}

/// Port: stores open registrations. Only for System units.
#[async_trait]
pub trait Registrations: Send {
    /// Inserts a registration.
    async fn insert_registration(&mut self, registration: &Registration) -> Result<(), StoreError>;

    /// Returns the registration, if it still exists.
    async fn registration_by_id(&mut self, id: RegistrationId) -> Result<Option<Registration>, StoreError>;

    /// Returns the registration whose mailed token has this hash.
    async fn registration_by_token(&mut self, token_hash: &[u8; 32]) -> Result<Option<Registration>, StoreError>;

    /// Returns the ids of the address's registrations, oldest first.
    async fn registrations_of(&mut self, email: &EmailAddress) -> Result<Vec<RegistrationId>, StoreError>;

    /// Stores the hash of the mailed token.
    async fn set_registration_token(&mut self, id: RegistrationId, token_hash: &[u8; 32]) -> Result<(), StoreError>;

    /// Deletes a registration. Returns `false` when it no longer exists because another unit deleted it first.
    async fn delete_registration(&mut self, id: RegistrationId) -> Result<bool, StoreError>;

    /// Deletes every registration of the address.
    async fn delete_registrations_of(&mut self, email: &EmailAddress) -> Result<(), StoreError>;
}

/// The job that prepares a registration. The account is looked up in the background, so that the response takes the
/// same time whether or not the address has one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegistrationRequested {
    /// Id of the registration.
    pub registration: RegistrationId,
}

impl Kind for RegistrationRequested {
    const NAME: &'static str = "registration";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "accounts";
    const RETRY: RetryPolicy = ACCOUNT_RETRY;
}

/// Retry policy of the jobs that look up accounts: they use the database alone.
pub(crate) const ACCOUNT_RETRY: RetryPolicy =
    RetryPolicy { max_attempts: 20, first: Duration::from_secs(1), longest: Duration::from_secs(10 * 60) };

/// Stores the requested account until the client confirms the address, and enqueues its preparation. An existing
/// account of the address makes no difference here.
pub async fn request_registration(
    unit: &mut (impl Registrations + JobQueue + ?Sized),
    actor: &Actor,
    context: &Context,
    wanted: Register,
) -> Result<(), IdentityError> {
    let now = context.now();
    let registration = Registration {
        id: RegistrationId::new(context),
        wanted,
        token_hash: None,
        created_at: now,
        expires_at: now.plus(LinkPurpose::Confirm.lifetime()),
    };
    unit.insert_registration(&registration).await?;
    let requested = RegistrationRequested { registration: registration.id };
    let job = NewJob::of(context, None, &requested)?.traced(actor.origin.trace.to_string());
    unit.enqueue_job(&job).await?;
    Ok(())
}

/// Mails the confirmation link to the address of a registration, or a notice that the address has an account. Runs in
/// the background.
pub async fn prepare_registration(
    unit: &mut (impl Registrations + People + JobQueue + ?Sized),
    actor: &Actor,
    context: &Context,
    sealer: &dyn Sealer,
    requested: RegistrationRequested,
) -> Result<(), IdentityError> {
    let Some(registration) = unit.registration_by_id(requested.registration).await? else { return Ok(()) };
    let Registration { id, wanted, expires_at, .. } = registration;
    if let Some(person) = unit.person_by_email(&wanted.email).await? {
        unit.delete_registration(id).await?;
        // The client that registered learns nothing; the owner of the address does.
        let mail = AccountExistsEmail { name: person.name.to_string() };
        return Ok(send_email(unit, actor, context, None, &person.email, mail, None).await?);
    }
    let waiting = unit.registrations_of(&wanted.email).await?;
    for oldest in waiting.iter().rev().skip(MAX_OPEN_REGISTRATIONS) {
        unit.delete_registration(*oldest).await?;
    }
    let token = LinkToken::generate(context);
    unit.set_registration_token(id, &token.hash()).await?;
    let mail = ConfirmRegistrationEmail { name: wanted.name.to_string(), tenant: wanted.tenant_name.to_string() };
    let attached = AttachedLink { purpose: LinkPurpose::Confirm.name(), token: token.text(), expires_at, sealer };
    Ok(send_email(unit, actor, context, None, &wanted.email, mail, Some(attached)).await?)
}

/// Confirm a registration.
#[derive(Debug, Clone)]
pub struct ConfirmRegistration {
    /// Hash of the presented token.
    pub token_hash: [u8; 32],
    /// Proof of the registration's password.
    pub proof: Proof,
    /// Network address from which the link was used.
    pub ip: Option<IpAddr>,
}

impl ConfirmRegistration {
    /// The events that a confirmation can append.
    pub const EVENTS: &'static [Action] =
        &[USER_REGISTERED, USER_EMAIL_VERIFIED, TENANT_CREATED, MEMBERSHIP_CREATED, SESSION_STARTED, SIGN_IN_FAILED];
}

/// Returns a registration that has not expired. Fails with [`IdentityError::LinkInvalid`] when there is none.
pub async fn find_registration(
    unit: &mut (impl Registrations + ?Sized),
    context: &Context,
    token_hash: &[u8; 32],
) -> Result<Registration, IdentityError> {
    let found = unit.registration_by_token(token_hash).await?;
    found.filter(|registration| context.now() < registration.expires_at).ok_or(IdentityError::LinkInvalid)
}

/// Creates the registered user, with a verified address, and the tenant. Fails with [`IdentityError::LinkInvalid`]
/// unless the proof is of this registration's password.
pub async fn confirm_registration(
    unit: &mut (impl Registering + Registrations + ?Sized),
    actor: &Actor,
    context: &Context,
    keys: &impl RefreshKeys,
    policy: &SessionPolicy,
    command: ConfirmRegistration,
) -> Result<Registered, IdentityError> {
    let registration = find_registration(unit, context, &command.token_hash).await?;
    let is_proven = command.proof.proven == Proven::Registration(registration.id);
    if !is_proven || !unit.delete_registration(registration.id).await? {
        return Err(IdentityError::LinkInvalid);
    }
    let mut wanted = registration.wanted;
    if let Some(hash) = &command.proof.renewed_hash {
        wanted.hash = hash.clone();
    }
    let made = match make(unit, actor, context, keys, policy, wanted, true).await {
        // Another registration of the same address was confirmed first, so this one is void.
        Err(IdentityError::EmailTaken) => return Err(IdentityError::LinkInvalid),
        made => made?,
    };
    let Registered { person, tenant, .. } = &made;
    unit.delete_registrations_of(&person.email).await?;
    let known = actor.known_as(person.id, person.name.as_str());
    unit.append_event(email_verified(context, &known.within(Some(tenant.id)), person)).await?;
    command.proof.succeed(unit, context).await?;
    note_seen(unit, context, &person.email, command.ip).await?;
    welcome(unit, actor, context, person, tenant, None).await?;
    Ok(made)
}

pub(crate) fn email_verified(context: &Context, actor: &Actor, person: &Person) -> Event {
    Event::new(context, actor, USER_EMAIL_VERIFIED).target(person.id, Some(person.name.as_str()))
}
