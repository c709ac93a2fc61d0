//! Recovery of forgotten passwords: a mailed link sets a new password.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use tenantry_jobs::{JobQueue, Kind, NewJob, RetryPolicy, Sealer};
use tenantry_kernel::{Action, Actor, Authorities, Context, EmailAddress, Event, Journal};
use tenantry_mails::{AttachedLink, send_email};

use crate::{
    Attempts, Credential, CredentialStore, EndReason, IdentityError, LinkKind, LinkPurpose, Links, PasswordHash,
    People, PersonStatus, Sessions,
    emails::ResetPasswordEmail,
    guessing::{forget_addresses, note_seen},
    passwords::password_changed,
    registration::{ACCOUNT_RETRY, email_verified},
    sessions::note_ended,
    verification::{new_link, use_link},
    vocabulary::{SESSION_ENDED, USER_EMAIL_VERIFIED, USER_PASSWORD_RESET},
};

/// The job that mails a password reset link to this address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResetRequested {
    /// The address, which may have no account.
    pub email: String,
}

impl Kind for ResetRequested {
    const NAME: &'static str = "password_reset";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "accounts";
    const RETRY: RetryPolicy = ACCOUNT_RETRY;
}

/// Enqueues a job that mails a link if the address has an account. Does the same for every address.
pub async fn request_reset(
    unit: &mut (impl JobQueue + ?Sized),
    actor: &Actor,
    context: &Context,
    email: &EmailAddress,
) -> Result<(), IdentityError> {
    let requested = ResetRequested { email: email.to_string() };
    let job = NewJob::of(context, None, &requested)?.traced(actor.origin.trace.to_string());
    unit.enqueue_job(&job).await?;
    Ok(())
}

/// Mails a link that sets a new password, if the address has an enabled account. Runs in the background.
pub async fn prepare_reset(
    unit: &mut (impl People + Links + JobQueue + ?Sized),
    actor: &Actor,
    context: &Context,
    sealer: &dyn Sealer,
    requested: ResetRequested,
) -> Result<(), IdentityError> {
    let Ok(email) = EmailAddress::parse(&requested.email) else { return Ok(()) };
    let Some(found) = unit.person_by_email(&email).await? else { return Ok(()) };
    let person = unit.lock_person(found.id).await?.filter(|person| person.email == email);
    let Some(person) = person.filter(|person| person.status == PersonStatus::Enabled) else { return Ok(()) };
    let (link, token) = new_link(context, &person, LinkKind::Reset, LinkPurpose::Reset.lifetime());
    unit.put_link(&link).await?;
    let attached =
        AttachedLink { purpose: LinkPurpose::Reset.name(), token: token.text(), expires_at: link.expires_at, sealer };
    let mail = ResetPasswordEmail { name: person.name.to_string() };
    Ok(send_email(unit, actor, context, None, &person.email, mail, Some(attached)).await?)
}

/// Set a new password through a mailed link. The password is checked for guessability and hashed before the unit
/// begins.
#[derive(Debug, Clone)]
pub struct ResetPassword {
    /// Hash of the presented token.
    pub token_hash: [u8; 32],
    /// Hash of the new password.
    pub hash: PasswordHash,
    /// Network address from which the link was used.
    pub ip: Option<IpAddr>,
}

impl ResetPassword {
    /// The events that a reset can append.
    pub const EVENTS: &'static [Action] = &[USER_PASSWORD_RESET, USER_EMAIL_VERIFIED, SESSION_ENDED];
}

/// Ports that a reset writes to.
pub trait Resetting: Links + People + CredentialStore + Sessions + Attempts + JobQueue + Authorities + Journal {}
impl<T: Links + People + CredentialStore + Sessions + Attempts + JobQueue + Authorities + Journal + ?Sized> Resetting
    for T
{
}

/// Sets the new password, ends every session and deletes every link of the user, and marks the address as verified.
pub async fn reset_password(
    unit: &mut (impl Resetting + ?Sized),
    actor: &Actor,
    context: &Context,
    command: ResetPassword,
) -> Result<(), IdentityError> {
    let (_, mut person) = use_link(unit, context, &command.token_hash, &[LinkKind::Reset]).await?;
    let now = context.now();
    let actor = &actor.known_as(person.id, person.name.as_str());
    set_password(unit, context, person.id, command.hash).await?;
    let event = Event::new(context, actor, USER_PASSWORD_RESET)
        .target(person.id, Some(person.name.as_str()))
        .changed_secret("password");
    unit.append_event(event).await?;
    if person.email_verified_at.is_none() {
        person.email_verified_at = Some(now);
        unit.update_person(&person).await?;
        unit.user_authority_changed(person.id).await?;
        unit.append_event(email_verified(context, actor, &person)).await?;
    }
    unit.delete_links_of(person.id).await?;
    let ended = unit.end_sessions_of_user(person.id, None, EndReason::PasswordReset, now).await?;
    note_ended(unit, actor, context, &ended, EndReason::PasswordReset).await?;
    forget_addresses(unit, &person.email).await?;
    note_seen(unit, context, &person.email, command.ip).await?;
    Ok(send_email(unit, actor, context, None, &person.email, password_changed(actor, context, &person), None).await?)
}

/// Replaces a user's password, or sets the first one.
pub(crate) async fn set_password(
    unit: &mut (impl CredentialStore + ?Sized),
    context: &Context,
    user: tenantry_kernel::UserId,
    hash: PasswordHash,
) -> Result<(), IdentityError> {
    let changed_at = context.now();
    match unit.credential_of(user).await? {
        Some(old) => unit.update_credential(&Credential { hash, version: old.version + 1, changed_at, ..old }).await?,
        None => unit.insert_credential(&Credential { user, hash, version: 1, changed_at }).await?,
    }
    Ok(())
}
