//! What every mailer does first: a letter becomes parts, and the parts a message.

use lettre::Message;
use secrecy::ExposeSecret;
use std::{io, sync::Arc};
use tenantry_identity::{MailerError, Outgoing};
use tokio::task;

use crate::{
    MailSettings, Templates,
    message::{message, recipient},
    templates::Rendered,
};

/// Templates and settings together.
pub(crate) struct Composer {
    templates: Arc<Templates>,
    settings: MailSettings,
}

impl Composer {
    pub(crate) fn new(templates: Arc<Templates>, settings: MailSettings) -> Self {
        Self { templates, settings }
    }

    /// The parts of the letter, if it can be sent at all. One whose link is lost is of no use to anybody.
    pub(crate) fn render(&self, outgoing: &Outgoing) -> Result<Rendered, MailerError> {
        let Outgoing { letter, link, .. } = outgoing;
        recipient(letter)?;
        if letter.link.is_some() && link.is_none() {
            return Err(MailerError::Permanent("the link of the letter is lost".into()));
        }
        let link = link.as_ref().map(|link| link.expose_secret());
        let rendered = self.templates.render(letter, link, &self.settings.product);
        rendered.map_err(|error| MailerError::Permanent(error.into()))
    }

    /// The letter as a message.
    pub(crate) fn compose(&self, outgoing: &Outgoing) -> Result<Message, MailerError> {
        message(&self.settings.from, outgoing, self.render(outgoing)?)
    }
}

/// Does work that waits for a disk or a terminal where it holds up nobody else. Whatever fails there may go well later.
pub(crate) async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), MailerError> {
    match task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| MailerError::Temporary(error.into())),
        Err(error) => Err(MailerError::Temporary(error.into())),
    }
}
