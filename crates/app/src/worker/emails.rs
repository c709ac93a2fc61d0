//! Mails: written by others, sent here.

use async_trait::async_trait;
use tenantry_identity::LinkPurpose;
use tenantry_jobs::{Done, Handler, JobFailure, Try};
use tenantry_mails::{Email, MailerError, OutgoingEmail};

use crate::App;

/// Sends emails. One may be sent twice when its server or its worker breaks in the middle; both carry the same
/// Message-ID.
pub(super) struct EmailSender(pub(super) App);

#[async_trait]
impl Handler<Email> for EmailSender {
    async fn run(&self, email: Email, of: &Try) -> Result<Done, JobFailure> {
        let (Self(app), job) = (self, &of.job);
        let link = match &email.link {
            None => None,
            Some(purpose) => {
                let purpose = LinkPurpose::from_name(purpose);
                let purpose = purpose.ok_or_else(|| JobFailure::hopeless("no page is known for its link"))?;
                let secret = job.open_secret(&*app.secrets)?.filter(|secret| app.world.now() < secret.expires_at);
                let secret = secret.ok_or_else(|| JobFailure::hopeless("the time of its link is over"))?;
                Some(app.link_pages.link(purpose, &secret.text))
            }
        };
        let outgoing = OutgoingEmail { job: job.id, written_at: job.created_at, email, link };
        match app.outbox.mailer().send(&outgoing).await {
            Ok(()) => Ok(Done::Outside),
            Err(error @ MailerError::Temporary(_)) => Err(JobFailure::again(error)),
            Err(error @ MailerError::Permanent(_)) => Err(JobFailure::hopeless(error)),
        }
    }
}
