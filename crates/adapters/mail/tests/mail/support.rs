//! Emails, and mailers to a test server.

use mail_parser::MessageParser;
use std::{error::Error, path::Path, sync::Arc, time::Duration};
use tenantry_kernel::{Context, Timestamp};
use tenantry_mail::{MailSettings, SmtpMailer, SmtpServerConfig, SmtpTimeouts, Templates};
use tenantry_mails::{MailerError, OutgoingEmail};
use tenantry_testkit::{
    context::{TestClock, TestEntropy},
    mailer::{EMAILS, Sent, note},
    smtp,
};

pub(crate) fn templates() -> Arc<Templates> {
    Arc::new(Templates::load(EMAILS, None).unwrap())
}

pub(crate) fn settings() -> MailSettings {
    let from = MailSettings::parse_from("Tenantry <no-reply@mail.example.com>").unwrap();
    MailSettings { from, product: "Tenantry".to_owned() }
}

/// Creates a mailer to the server of that address, with short time limits.
pub(crate) fn mailer_to(url: &str, authorities: Option<&Path>) -> SmtpMailer {
    let timeouts = SmtpTimeouts {
        connect: Duration::from_millis(1500),
        command: Duration::from_secs(1),
        send: Duration::from_millis(2500),
        idle: Duration::from_secs(2),
    };
    let server = SmtpServerConfig::parse(url).unwrap();
    SmtpMailer::new(server, authorities, templates(), settings()).unwrap().with_timeouts(timeouts)
}

pub(crate) fn context() -> Context {
    Context::new(TestClock::at(Timestamp::from_unix_millis(1_795_527_697_123).unwrap()), TestEntropy)
}

pub(crate) fn email_to(address: &str) -> OutgoingEmail {
    note(&context(), address, "Ada")
}

/// Parses a message as a mail program does.
pub(crate) fn read(raw: &[u8]) -> Sent {
    let message = MessageParser::default().parse(raw).unwrap();
    let to = message.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap().to_owned();
    let id = message.message_id().unwrap().to_owned();
    Sent { id, to, text: message.body_text(0).unwrap().into_owned() }
}

/// Returns the only email that the server has received.
#[track_caller]
pub(crate) fn only_mail(server: &smtp::SmtpServer) -> smtp::ReceivedMail {
    let [mail] = <[_; 1]>::try_from(server.mails()).unwrap();
    mail
}

/// Returns the text of a temporary failure.
#[track_caller]
pub(crate) fn temporary(result: Result<(), MailerError>) -> String {
    match result {
        Err(error @ MailerError::Temporary(_)) => told(&error),
        other => panic!("expected a temporary failure, found {other:?}"),
    }
}

/// Returns the text of a permanent failure.
#[track_caller]
pub(crate) fn permanent(result: Result<(), MailerError>) -> String {
    match result {
        Err(error @ MailerError::Permanent(_)) => told(&error),
        other => panic!("expected a permanent failure, found {other:?}"),
    }
}

fn told(error: &MailerError) -> String {
    error.source().unwrap().to_string()
}
