//! The mails: how they look, and where they go. An SMTP server sends them on; a folder takes one `.eml` for each letter,
//! the console shows the text part of each.
//!
//! Every template is embedded and can be replaced by a file of the same name; all are rendered once when they are
//! loaded, so that a mistake in one is found at the start and not when somebody waits for a mail. The words of people
//! are only ever words: never markup, never a header, never template code.

mod composer;
mod console;
mod examples;
mod file;
mod message;
mod settings;
mod smtp;
mod templates;
mod words;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

pub use console::ConsoleMailer;
pub use file::FileMailer;
pub use lettre::message::Mailbox;
pub use settings::{FromError, MailSettings};
pub use smtp::{SmtpCheckError, SmtpLogin, SmtpMailer, SmtpSecurity, SmtpServer, SmtpSetupError, SmtpTimeouts};
pub use templates::{TemplateError, Templates};
