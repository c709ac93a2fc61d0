//! Emails: any crate declares templates with [`emails!`] and enqueues an email with [`send_email`], in the unit of the
//! change that the email reports. A worker renders the email and hands it to a [`Mailer`].
//!
//! The program collects the declarations of its crates and gives them to the adapter that renders.

mod email;
mod mailer;
mod payload;
mod template;

pub use email::{AttachedLink, Email, SendEmailError, send_email};
pub use mailer::{Mailer, MailerError, OutgoingEmail};
pub use payload::EmailPayload;
pub use template::{EmailTemplate, TemplateField, TemplatePayload};

/// Items that [`emails!`] uses in the crate that calls it.
#[doc(hidden)]
pub use serde_json::Value;
