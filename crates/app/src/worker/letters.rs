//! Mails: written by others, sent here.

use async_trait::async_trait;
use tenantry_identity::{Letter, MailerError, Outgoing};
use tenantry_jobs::{Done, Handler, JobFailure, Try};

use crate::App;

/// Sends letters. One may be sent twice when its server or its worker breaks in the middle; both carry the same
/// Message-ID.
pub(super) struct Letters(pub(super) App);

#[async_trait]
impl Handler<Letter> for Letters {
    async fn run(&self, letter: Letter, of: &Try) -> Result<Done, JobFailure> {
        let (Self(app), job) = (self, &of.job);
        let link = match letter.link {
            None => None,
            Some(purpose) => {
                let secret = job.open_secret(&*app.secrets)?.filter(|secret| app.world.now() < secret.expires_at);
                let secret = secret.ok_or_else(|| JobFailure::hopeless("the time of its link is over"))?;
                Some(app.link_pages.link(purpose, &secret.text))
            }
        };
        let outgoing = Outgoing { job: job.id, written_at: job.created_at, letter, link };
        match app.outbox.mailer().send(&outgoing).await {
            Ok(()) => Ok(Done::Outside),
            Err(error @ MailerError::Temporary(_)) => Err(JobFailure::again(error)),
            Err(error @ MailerError::Permanent(_)) => Err(JobFailure::hopeless(error)),
        }
    }
}
