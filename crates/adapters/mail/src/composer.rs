//! The first steps of every mailer: renders an email into parts, and the parts into a message.

use lettre::Message;
use secrecy::ExposeSecret;
use std::{io, sync::Arc};
use tenantry_mails::{MailerError, OutgoingEmail};
use tokio::task;

use crate::{
    MailSettings, Templates,
    message::{message, recipient},
    templates::Rendered,
};

/// Templates and settings of the emails.
pub(crate) struct Composer {
    templates: Arc<Templates>,
    settings: MailSettings,
}

impl Composer {
    pub(crate) fn new(templates: Arc<Templates>, settings: MailSettings) -> Self {
        Self { templates, settings }
    }

    /// Renders the parts of the email. Fails permanently when the address is invalid or the link is lost.
    pub(crate) fn render(&self, outgoing: &OutgoingEmail) -> Result<Rendered, MailerError> {
        let OutgoingEmail { email, link, .. } = outgoing;
        recipient(email)?;
        if email.link.is_some() && link.is_none() {
            return Err(MailerError::Permanent("the link of the email is lost".into()));
        }
        let link = link.as_ref().map(|link| link.expose_secret());
        let rendered = self.templates.render(email, link, &self.settings.product);
        rendered.map_err(|error| MailerError::Permanent(error.into()))
    }

    /// Creates a message from the email.
    pub(crate) fn compose(&self, outgoing: &OutgoingEmail) -> Result<Message, MailerError> {
        message(&self.settings.from, outgoing, self.render(outgoing)?)
    }
}

/// Runs blocking work on a disk or a terminal on a thread for such work. Every failure is temporary.
pub(crate) async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), MailerError> {
    match task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| MailerError::Temporary(error.into())),
        Err(error) => Err(MailerError::Temporary(error.into())),
    }
}
