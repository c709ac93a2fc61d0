//! Verification of email addresses: of the first address and of every later one.

use serde::{Deserialize, Serialize};
use std::{net::IpAddr, time::Duration};
use tenantry_jobs::{JobQueue, Kind, NewJob, RetryPolicy, Sealer};
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, EmailAddress, Event, Journal, Refusal, Requirement, SessionId,
    UserId, authorize,
};
use tenantry_mails::{AttachedLink, send_email};

use crate::{
    Attempts, CredentialStore, EndReason, IdentityError, Link, LinkKind, LinkPurpose, LinkToken, Links, People, Person,
    PersonStatus, Proof, Proven, Registrations, Sessions,
    emails::{
        AddressChangeRequestedEmail, AddressChangedEmail, AddressInUseEmail, ConfirmNewAddressEmail, VerifyAddressEmail,
    },
    guessing::note_seen,
    registration::{ACCOUNT_RETRY, email_verified},
    sessions::note_ended,
    vocabulary::{SESSION_ENDED, SIGN_IN_FAILED, USER_EMAIL_CHANGED, USER_EMAIL_VERIFIED},
};

/// Creates a link for a user's mailbox, and its token.
pub(crate) fn new_link(context: &Context, person: &Person, kind: LinkKind, lifetime: Duration) -> (Link, LinkToken) {
    let (token, now) = (LinkToken::generate(context), context.now());
    let link = Link {
        user: person.id,
        kind,
        email: person.email.clone(),
        session: None,
        token_hash: token.hash(),
        created_at: now,
        expires_at: now.plus(lifetime),
    };
    (link, token)
}

/// Returns a link of one of these kinds that has not expired. Fails with [`IdentityError::LinkInvalid`] when there is
/// none.
pub async fn find_link(
    unit: &mut (impl Links + ?Sized),
    context: &Context,
    token_hash: &[u8; 32],
    kinds: &[LinkKind],
) -> Result<Link, IdentityError> {
    let found = unit.link_by_token(token_hash).await?;
    let usable = found.filter(|link| kinds.contains(&link.kind) && context.now() < link.expires_at);
    usable.ok_or(IdentityError::LinkInvalid)
}

/// Consumes a link and returns it with its user, whose row it locks. Fails with [`IdentityError::LinkInvalid`] when the
/// user is disabled, or when their address is no longer the one that the link was created for.
pub(crate) async fn use_link(
    unit: &mut (impl Links + People + ?Sized),
    context: &Context,
    token_hash: &[u8; 32],
    kinds: &[LinkKind],
) -> Result<(Link, Person), IdentityError> {
    let owner = find_link(unit, context, token_hash, kinds).await?.user;
    let person = unit.lock_person(owner).await?.ok_or(IdentityError::LinkInvalid)?;
    let link = find_link(unit, context, token_hash, kinds).await?;
    let is_for_today = link.kind == LinkKind::ChangeEmail || link.email == person.email;
    if link.user != person.id || person.status != PersonStatus::Enabled || !is_for_today {
        return Err(IdentityError::LinkInvalid);
    }
    if unit.take_link(&link).await? { Ok((link, person)) } else { Err(IdentityError::LinkInvalid) }
}

/// Request another link that verifies the acting user's address.
#[derive(Debug, Clone, Copy)]
pub struct ResendVerification;

impl Command for ResendVerification {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[];
}

/// The job that mails a link that verifies the user's address.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct VerificationRequested {
    /// The user.
    pub user: UserId,
}

impl Kind for VerificationRequested {
    const NAME: &'static str = "verification";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "accounts";
    const RETRY: RetryPolicy = ACCOUNT_RETRY;
}

/// Enqueues a job that mails a link, unless the address is verified by then.
pub async fn request_verification(
    unit: &mut (impl JobQueue + ?Sized),
    actor: &Actor,
    context: &Context,
    _: ResendVerification,
) -> Result<(), IdentityError> {
    let (_, user) = actor.session()?;
    let job = NewJob::of(context, None, &VerificationRequested { user })?.traced(actor.origin.trace.to_string());
    unit.enqueue_job(&job).await?;
    Ok(())
}

/// Mails a link that verifies the user's address, unless the address is verified. Runs in the background.
pub async fn prepare_verification(
    unit: &mut (impl People + Links + JobQueue + ?Sized),
    actor: &Actor,
    context: &Context,
    sealer: &dyn Sealer,
    requested: VerificationRequested,
) -> Result<(), IdentityError> {
    let Some(person) = unit.lock_person(requested.user).await? else { return Ok(()) };
    if person.email_verified_at.is_some() || person.status != PersonStatus::Enabled {
        return Ok(());
    }
    let (link, token) = new_link(context, &person, LinkKind::Verify, LinkPurpose::Verify.lifetime());
    unit.put_link(&link).await?;
    let attached =
        AttachedLink { purpose: LinkPurpose::Verify.name(), token: token.text(), expires_at: link.expires_at, sealer };
    let mail = VerifyAddressEmail { name: person.name.to_string() };
    Ok(send_email(unit, actor, context, None, &person.email, mail, Some(attached)).await?)
}

/// Use a link that verifies an address.
#[derive(Debug, Clone)]
pub struct VerifyEmail {
    /// Hash of the presented token.
    pub token_hash: [u8; 32],
    /// Proof of the user's identity.
    pub proof: Proof,
    /// Network address from which the link was used.
    pub ip: Option<IpAddr>,
}

impl VerifyEmail {
    /// The events that a verification can append.
    pub const EVENTS: &'static [Action] = &[USER_EMAIL_VERIFIED, USER_EMAIL_CHANGED, SESSION_ENDED, SIGN_IN_FAILED];
}

/// Ports that a verification writes to.
pub trait Verifying:
    Links + People + CredentialStore + Registrations + Sessions + Attempts + JobQueue + Authorities + Journal
{
}
impl<T> Verifying for T where
    T: Links
        + People
        + CredentialStore
        + Registrations
        + Sessions
        + Attempts
        + JobQueue
        + Authorities
        + Journal
        + ?Sized
{
}

/// Marks the address as verified. A link of an address change sets the new address, and ends every other link and every
/// session except the one that requested the change.
pub async fn verify_email(
    unit: &mut (impl Verifying + ?Sized),
    actor: &Actor,
    context: &Context,
    command: VerifyEmail,
) -> Result<(), IdentityError> {
    let kinds = [LinkKind::Verify, LinkKind::ChangeEmail];
    let (link, mut person) = use_link(unit, context, &command.token_hash, &kinds).await?;
    if command.proof.user() != Some(link.user) {
        return Err(IdentityError::LinkInvalid);
    }
    if let Proven::Password { .. } = command.proof.proven {
        command.proof.current_credential(unit, person.id).await?;
    }
    let actor = &actor.known_as(person.id, person.name.as_str());
    match link.kind {
        LinkKind::ChangeEmail => take_over_address(unit, actor, context, &link, person).await?,
        _ if person.email_verified_at.is_some() => {}
        _ => {
            person.email_verified_at = Some(context.now());
            unit.update_person(&person).await?;
            unit.user_authority_changed(person.id).await?;
            unit.append_event(email_verified(context, actor, &person)).await?;
        }
    }
    // Last, because a refresh locks its session before the known addresses.
    command.proof.succeed(unit, context).await?;
    Ok(note_seen(unit, context, &link.email, command.ip).await?)
}

async fn take_over_address(
    unit: &mut (impl Verifying + ?Sized),
    actor: &Actor,
    context: &Context,
    link: &Link,
    mut person: Person,
) -> Result<(), IdentityError> {
    let (old, now) = (person.email.clone(), context.now());
    person.email = link.email.clone();
    person.email_verified_at = Some(now);
    unit.update_person(&person).await?;
    unit.delete_links_of(person.id).await?;
    unit.delete_registrations_of(&person.email).await?;
    unit.user_authority_changed(person.id).await?;
    let event = Event::new(context, actor, USER_EMAIL_CHANGED)
        .target(person.id, Some(person.name.as_str()))
        .changed_personal("email", old.as_str(), person.email.as_str());
    unit.append_event(event).await?;
    let reason = EndReason::EmailChanged;
    let ended = unit.end_sessions_of_user(person.id, link.session, reason, now).await?;
    note_ended(unit, actor, context, &ended, reason).await?;
    let mail = AddressChangedEmail { name: person.name.to_string(), new_email: person.email.to_string() };
    Ok(send_email(unit, actor, context, None, &old, mail, None).await?)
}

/// Request an email address change.
#[derive(Debug, Clone)]
pub struct ChangeEmail {
    /// Proof of the current password.
    pub proof: Proof,
    /// The new address.
    pub new_email: EmailAddress,
}

impl Command for ChangeEmail {
    const REQUIRES: Requirement = Requirement::SignedIn;
    /// Events of a refusal. The change itself is an event of [`VerifyEmail`].
    const EVENTS: &'static [Action] = &[USER_EMAIL_CHANGED];
}

/// The job that mails the link and the notice of a requested address change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EmailChangeRequested {
    /// The user.
    pub user: UserId,
    /// The session that requested the change.
    pub session: SessionId,
    /// The new address.
    pub new_email: String,
}

impl Kind for EmailChangeRequested {
    const NAME: &'static str = "email_change";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "accounts";
    const RETRY: RetryPolicy = ACCOUNT_RETRY;
}

/// Enqueues a job that notifies both mailboxes. The job also looks up whether the new address is taken.
pub async fn request_email_change(
    unit: &mut (impl People + CredentialStore + JobQueue + Authorities + ?Sized),
    actor: &Actor,
    context: &Context,
    command: ChangeEmail,
) -> Result<(), IdentityError> {
    let (session, user) = actor.session()?;
    unit.lock_person(user).await?.ok_or(Refusal::SessionEnded)?;
    authorize::<ChangeEmail>(unit, actor, context).await?;
    command.proof.current_credential(unit, user).await?;
    let requested = EmailChangeRequested { user, session, new_email: command.new_email.to_string() };
    let job = NewJob::of(context, None, &requested)?.traced(actor.origin.trace.to_string());
    unit.enqueue_job(&job).await?;
    Ok(())
}

/// Notifies the old mailbox of the requested change and mails the confirmation link to the new one. When the new
/// address belongs to another account, its owner is notified instead. Runs in the background.
pub async fn prepare_email_change(
    unit: &mut (impl People + Links + JobQueue + ?Sized),
    actor: &Actor,
    context: &Context,
    sealer: &dyn Sealer,
    requested: EmailChangeRequested,
) -> Result<(), IdentityError> {
    let new_email = EmailAddress::parse(&requested.new_email).map_err(|_| IdentityError::NotFound)?;
    let Some(person) = unit.lock_person(requested.user).await? else { return Ok(()) };
    if person.status != PersonStatus::Enabled || person.email == new_email {
        return Ok(());
    }
    let name = person.name.to_string();
    let notice = AddressChangeRequestedEmail { name: name.clone(), new_email: new_email.to_string() };
    send_email(unit, actor, context, None, &person.email, notice, None).await?;
    if let Some(owner) = unit.person_by_email(&new_email).await? {
        let mail = AddressInUseEmail { name: owner.name.to_string() };
        return Ok(send_email(unit, actor, context, None, &new_email, mail, None).await?);
    }
    let (link, token) = new_link(context, &person, LinkKind::ChangeEmail, LinkPurpose::Verify.lifetime());
    let link = Link { email: new_email.clone(), session: Some(requested.session), ..link };
    unit.put_link(&link).await?;
    let attached =
        AttachedLink { purpose: LinkPurpose::Verify.name(), token: token.text(), expires_at: link.expires_at, sealer };
    Ok(send_email(unit, actor, context, None, &new_email, ConfirmNewAddressEmail { name }, Some(attached)).await?)
}
