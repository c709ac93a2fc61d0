//! The job that sends an email. Other modules write the emails.

use async_trait::async_trait;
use std::sync::Arc;
use tenantry_crypto::ServerSecrets;
use tenantry_identity::LinkPurpose;
use tenantry_jobs::{Done, Handler, JobAttempt, JobFailure};
use tenantry_kernel::Context;
use tenantry_mails::{Email, Mailer, MailerError, OutgoingEmail};

use crate::LinkPages;

/// Sends emails. If the mail server or the worker fails midway, an email may be sent twice; both copies carry the same
/// Message-ID.
pub struct EmailSender {
    /// Sends emails.
    pub mailer: Arc<dyn Mailer>,
    /// Addresses of the pages that emailed links open.
    pub link_pages: LinkPages,
    /// Decrypts the secrets of jobs.
    pub secrets: Arc<ServerSecrets>,
    /// Clock and random source.
    pub context: Context,
}

#[async_trait]
impl Handler<Email> for EmailSender {
    async fn run(&self, email: Email, of: &JobAttempt) -> Result<Done, JobFailure> {
        let job = &of.job;
        let link = match &email.link {
            None => None,
            Some(purpose) => {
                let purpose = LinkPurpose::from_name(purpose);
                let purpose = purpose.ok_or_else(|| JobFailure::permanent("no page is configured for its link"))?;
                let secret = job.open_secret(&*self.secrets)?.filter(|secret| self.context.now() < secret.expires_at);
                let secret = secret.ok_or_else(|| JobFailure::permanent("its link has expired"))?;
                Some(self.link_pages.link(purpose, &secret.text))
            }
        };
        let outgoing = OutgoingEmail { job: job.id, written_at: job.created_at, email, link };
        match self.mailer.send(&outgoing).await {
            Ok(()) => Ok(Done::Outside),
            Err(error @ MailerError::Temporary(_)) => Err(JobFailure::retry(error)),
            Err(error @ MailerError::Permanent(_)) => Err(JobFailure::permanent(error)),
        }
    }
}
