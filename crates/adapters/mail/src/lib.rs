//! Renders emails and sends them: to an SMTP server, into a folder with one `.eml` file for each, or to the console,
//! which shows the text part.
//!
//! Every template is embedded and can be replaced by a file of the same name. All are rendered once when they are
//! loaded, so that a mistake is found at the start and not when an email is due. Texts of users are always plain text:
//! never markup, never a header, never template code.

mod composer;
mod console;
mod examples;
mod file;
mod message;
mod settings;
mod smtp;
mod templates;
mod values;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

pub use console::ConsoleMailer;
pub use file::FileMailer;
pub use lettre::message::Mailbox;
pub use settings::{FromError, MailSettings};
pub use smtp::{SmtpCheckError, SmtpLogin, SmtpMailer, SmtpSecurity, SmtpServerConfig, SmtpSetupError, SmtpTimeouts};
pub use templates::{TemplateError, Templates};
