//! The emails of this installation: their transport and the addresses of their links.

use std::{path::PathBuf, sync::Arc};
use tenantry_identity::IDENTITY_EMAILS;
use tenantry_mail::{ConsoleMailer, FileMailer, MailSettings, SmtpMailer, Templates};
use tenantry_mails::{EmailTemplate, Mailer};
use tenantry_service::LinkPages;

use crate::{
    StartError,
    config::{LinkPaths, MailConfig, MailTransport},
};

/// The emails that this program sends: the lists of all crates that declare emails.
const EMAILS: &[&[EmailTemplate]] = &[IDENTITY_EMAILS];

/// The configured transport of emails.
#[derive(Clone)]
pub(crate) enum ConfiguredMailer {
    /// To standard output.
    Console(Arc<ConsoleMailer>),
    /// Into this folder.
    File(Arc<FileMailer>, PathBuf),
    /// To an SMTP server.
    Smtp(Arc<SmtpMailer>),
}

impl ConfiguredMailer {
    pub(crate) fn new(config: &MailConfig) -> Result<Self, StartError> {
        let (templates, settings) = appearance(config)?;
        Ok(match &config.transport {
            MailTransport::Console => Self::Console(Arc::new(ConsoleMailer::new(templates, settings))),
            MailTransport::File(folder) => {
                Self::File(Arc::new(FileMailer::new(folder.clone(), templates, settings)), folder.clone())
            }
            MailTransport::Smtp(server) => {
                let authorities = config.authorities.as_deref();
                Self::Smtp(Arc::new(SmtpMailer::new(server.clone(), authorities, templates, settings)?))
            }
        })
    }

    /// Returns the mailer.
    pub(crate) fn mailer(&self) -> Arc<dyn Mailer> {
        match self {
            Self::Console(mailer) => mailer.clone(),
            Self::File(mailer, _) => mailer.clone(),
            Self::Smtp(mailer) => mailer.clone(),
        }
    }
}

/// Returns the templates and the settings of emails.
fn appearance(config: &MailConfig) -> Result<(Arc<Templates>, MailSettings), StartError> {
    let templates = Arc::new(Templates::load(&EMAILS.concat(), config.templates.as_deref())?);
    let from = MailSettings::parse_from(&config.from).map_err(|error| StartError::Sender(Box::new(error)))?;
    Ok((templates, MailSettings { from, product: config.product.clone() }))
}

/// Returns the addresses of emailed links: pages of the configured application, or else pages of this server.
pub(crate) fn link_pages(config: &MailConfig, public_url: &str) -> LinkPages {
    let base = config.app_url.as_ref().map(|url| url.origin().ascii_serialization());
    let LinkPaths { confirm, verify, reset, invite } = config.link_paths.clone();
    LinkPages { base: base.unwrap_or_else(|| public_url.to_owned()), confirm, verify, reset, invite }
}
