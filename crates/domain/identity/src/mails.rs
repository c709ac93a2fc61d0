//! What people are written: which mail, to whom, with which words. How it looks is the business of the adapter that
//! sends it; that it is sent is a job in the unit of the change that it tells of.

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::{error::Error, time::Duration};
use tenantry_jobs::{JobId, JobQueue, JobSecret, Kind, NewJob, RetryPolicy, Sealer};
use tenantry_kernel::{Actor, EmailAddress, TenantId, Timestamp, World};

use crate::{IdentityError, LinkPurpose, LinkToken};

/// A mail, with the words that it needs. The names of variants and fields are those of templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "snake_case", rename_all_fields = "snake_case")]
pub enum Mail {
    /// An account has been made. With a link where something is left to do: prove the address or choose a password.
    Welcome {
        /// What the person is called.
        name: String,
        /// The organisation.
        tenant: String,
    },
    /// Somebody has registered with this address, and is to confirm it.
    ConfirmRegistration {
        /// What the person is called.
        name: String,
        /// The organisation.
        tenant: String,
    },
    /// Somebody has registered with an address that has an account already.
    AccountExists {
        /// What the person is called.
        name: String,
    },
    /// An address is to be proved.
    VerifyAddress {
        /// What the person is called.
        name: String,
    },
    /// A new password can be chosen.
    ResetPassword {
        /// What the person is called.
        name: String,
    },
    /// Somebody is invited.
    Invitation {
        /// The organisation.
        tenant: String,
        /// Who invites.
        inviter: String,
    },
    /// To the new mailbox: prove that it is yours.
    ConfirmNewAddress {
        /// What the person is called.
        name: String,
    },
    /// To the new mailbox when it belongs to another account: somebody wanted it.
    AddressInUse {
        /// What the owner of the mailbox is called.
        name: String,
    },
    /// To the old mailbox: another address was asked for.
    AddressChangeRequested {
        /// What the person is called.
        name: String,
        /// The new address.
        new_email: String,
    },
    /// To the old mailbox: it is not the account's any more.
    AddressChanged {
        /// What the person is called.
        name: String,
        /// The new address.
        new_email: String,
    },
    /// A copied refresh token was used, and the sign-in was ended.
    SessionReplayed {
        /// What the person is called.
        name: String,
        /// When.
        at: String,
        /// Where the copy was used from.
        ip: Option<String>,
        /// What the client called itself.
        user_agent: Option<String>,
    },
    /// The password was changed.
    PasswordChanged {
        /// What the person is called.
        name: String,
        /// When.
        at: String,
        /// Where from.
        ip: Option<String>,
    },
}

impl Mail {
    /// The name of the mail, which is that of its templates.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Welcome { .. } => "welcome",
            Self::ConfirmRegistration { .. } => "confirm_registration",
            Self::AccountExists { .. } => "account_exists",
            Self::VerifyAddress { .. } => "verify_address",
            Self::ResetPassword { .. } => "reset_password",
            Self::Invitation { .. } => "invitation",
            Self::ConfirmNewAddress { .. } => "confirm_new_address",
            Self::AddressInUse { .. } => "address_in_use",
            Self::AddressChangeRequested { .. } => "address_change_requested",
            Self::AddressChanged { .. } => "address_changed",
            Self::SessionReplayed { .. } => "session_replayed",
            Self::PasswordChanged { .. } => "password_changed",
        }
    }
}

/// A mail to somebody: the words of a job. The token of its link is the job's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The mailbox.
    pub to: String,
    /// Where its link leads, if it has one.
    pub link: Option<LinkPurpose>,
    /// How long the link is good, in seconds, counted from when the letter was written.
    pub link_seconds: Option<u64>,
    /// Which mail.
    #[serde(flatten)]
    pub mail: Mail,
}

impl Kind for Letter {
    const NAME: &'static str = "mail";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "mail";
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 12, first: Duration::from_secs(5), longest: Duration::from_secs(60 * 60) };
}

/// A letter on its way out.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The job that it comes from: the same for every try, so that a repeat can be told.
    pub job: JobId,
    /// When it was written.
    pub written_at: Timestamp,
    /// The letter.
    pub letter: Letter,
    /// The whole address of its link.
    pub link: Option<SecretString>,
}

/// Why a letter was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// Later it may go.
    #[error("the mail could not be sent now")]
    Temporary(#[source] Box<dyn Error + Send + Sync>),
    /// It will never go.
    #[error("the mail cannot be sent")]
    Permanent(#[source] Box<dyn Error + Send + Sync>),
}

/// Sends letters. It may take seconds: never hold a unit across a call.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one letter. When it returns, the letter is out of our hands or kept where it lasts.
    async fn send(&self, letter: &Outgoing) -> Result<(), MailerError>;
}

/// The link that a letter is to carry.
pub(crate) struct Enclosed<'a> {
    pub(crate) purpose: LinkPurpose,
    pub(crate) token: &'a LinkToken,
    pub(crate) expires_at: Timestamp,
    pub(crate) sealer: &'a dyn Sealer,
}

/// Writes to somebody once the unit is committed.
pub(crate) async fn post(
    unit: &mut (impl JobQueue + ?Sized),
    actor: &Actor,
    world: &World,
    tenant: Option<TenantId>,
    to: &EmailAddress,
    mail: Mail,
    enclosed: Option<Enclosed<'_>>,
) -> Result<(), IdentityError> {
    let now = world.now();
    let letter = Letter {
        to: to.to_string(),
        link: enclosed.as_ref().map(|link| link.purpose),
        link_seconds: enclosed.as_ref().map(|link| link.expires_at.since(now).as_secs()),
        mail,
    };
    let job = NewJob::of(world, tenant, &letter)?.traced(actor.origin.trace.to_string());
    let job = match enclosed {
        None => job,
        Some(link) => {
            let secret = JobSecret { text: link.token.text().clone(), expires_at: link.expires_at };
            job.with_secret(link.sealer, &secret)?
        }
    };
    unit.enqueue_job(&job).await?;
    Ok(())
}
