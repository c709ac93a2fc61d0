//! The port that sends emails.

use async_trait::async_trait;
use secrecy::SecretString;
use std::error::Error;
use tenantry_jobs::JobId;
use tenantry_kernel::Timestamp;

use crate::Email;

/// An email to be sent.
#[derive(Debug, Clone)]
pub struct OutgoingEmail {
    /// The job that the email comes from. It is the same for every attempt, so that a repeat can be recognised.
    pub job: JobId,
    /// Time at which the email was enqueued.
    pub written_at: Timestamp,
    /// The email.
    pub email: Email,
    /// The whole URL of the link.
    pub link: Option<SecretString>,
}

/// Errors of sending an email.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// A later attempt may succeed.
    #[error("the email could not be sent now")]
    Temporary(#[source] Box<dyn Error + Send + Sync>),
    /// No attempt will succeed.
    #[error("the email cannot be sent")]
    Permanent(#[source] Box<dyn Error + Send + Sync>),
}

/// Port: sends emails. A call may take seconds: never hold a unit across it.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one email. When it returns, the email has been accepted by its target or is stored durably.
    async fn send(&self, email: &OutgoingEmail) -> Result<(), MailerError>;
}
