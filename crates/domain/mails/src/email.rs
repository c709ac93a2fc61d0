//! Emails as jobs: a request only enqueues, so that an email is sent exactly when its change was committed.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenantry_jobs::{JobQueue, JobSecret, Kind, NewJob, RetryPolicy, SealError, Sealer};
use tenantry_kernel::{Actor, Coded, Context, EmailAddress, ErrorCode, StoreError, TenantId, Timestamp};

use crate::{EmailPayload, TemplatePayload};

/// The payload of the job that sends an email. The token of the link is the job's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// The address of the recipient.
    pub to: String,
    /// The purpose of the link, if the email carries one.
    pub link: Option<String>,
    /// Validity of the link in seconds, counted from the time when the email was enqueued.
    pub link_seconds: Option<u64>,
    /// The name of the template.
    #[serde(rename = "mail")]
    pub template: String,
    /// The payload that the template receives.
    #[serde(flatten)]
    pub payload: EmailPayload,
}

impl Kind for Email {
    const NAME: &'static str = "mail";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "mail";
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 12, first: Duration::from_secs(5), longest: Duration::from_secs(60 * 60) };
}

impl Email {
    /// Returns whether a job of this kind, with this payload, sends an email with a link. Without the job's secret, the
    /// token of the link, the email cannot be sent.
    pub fn needs_secret(kind: &str, payload: &str) -> bool {
        #[derive(Deserialize)]
        struct Linked {
            link: Option<String>,
        }
        kind == Self::NAME && serde_json::from_str::<Linked>(payload).is_ok_and(|email| email.link.is_some())
    }
}

/// The link that an email carries.
#[derive(Clone, Copy)]
pub struct AttachedLink<'a> {
    /// The purpose, by which the program finds the page that the link opens.
    pub purpose: &'static str,
    /// The token. It is encrypted until the email is sent.
    pub token: &'a SecretString,
    /// Time at which the link expires. An email whose link has expired is not sent.
    pub expires_at: Timestamp,
    /// Encrypts the token.
    pub sealer: &'a dyn Sealer,
}

/// Errors of enqueuing an email.
#[derive(Debug, thiserror::Error)]
pub enum SendEmailError {
    /// The token of the link could not be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for SendEmailError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Seal(_) => ErrorCode::INTERNAL,
            Self::Store(error) => error.code(),
        }
    }

    fn is_collision(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_collision())
    }
}

/// Enqueues an email, which is sent once the unit is committed. `tenant` is the tenant that the email concerns; `None`
/// for an email that concerns the recipient's account.
pub async fn send_email<P: TemplatePayload>(
    unit: &mut (impl JobQueue + ?Sized),
    actor: &Actor,
    context: &Context,
    tenant: Option<TenantId>,
    to: &EmailAddress,
    payload: P,
    link: Option<AttachedLink<'_>>,
) -> Result<(), SendEmailError> {
    let purpose = link.map(|link| link.purpose);
    debug_assert!(P::TEMPLATE.links.contains(&purpose), "{} does not declare {purpose:?}", P::TEMPLATE.name);
    let email = Email {
        to: to.to_string(),
        link: purpose.map(str::to_owned),
        link_seconds: link.map(|link| link.expires_at.since(context.now()).as_secs()),
        template: P::TEMPLATE.name.to_owned(),
        payload: payload.into_payload(),
    };
    let job = NewJob::of(context, tenant, &email)?.traced(actor.origin.trace.to_string());
    let job = match link {
        None => job,
        Some(link) => {
            let secret = JobSecret { text: link.token.clone(), expires_at: link.expires_at };
            job.with_secret(link.sealer, &secret)?
        }
    };
    unit.enqueue_job(&job).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_email_with_a_link_needs_the_secret() {
        let with_link = r#"{"to":"ada@example.com","link":"reset","mail":"reset","newer":1}"#;
        assert!(Email::needs_secret("mail", with_link));
        assert!(!Email::needs_secret("errand", with_link));
        assert!(!Email::needs_secret("mail", r#"{"to":"ada@example.com","link":null,"mail":"changed"}"#));
        assert!(!Email::needs_secret("mail", "not JSON"));
    }
}
