//! Emails for tests.

use serde_json::Value;
use std::sync::Arc;
use tenantry_identity::IDENTITY_EMAILS;
use tenantry_kernel::Timestamp;
use tenantry_mails::{Email, OutgoingEmail};

use crate::{MailSettings, Templates, composer::Composer};

pub(crate) const JOB: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

/// Names that a user might choose to misuse an email.
pub(crate) const HOSTILE: [&str; 8] = [
    "Ada\r\nBcc: eve@example.com",
    "Ada\r\n\r\n<h1>Hi</h1>",
    "Ada\u{2028}Bcc: eve@example.com",
    "\u{202E}Ada\u{2067}\u{200F}",
    "\"Ada\" <eve@example.com>",
    "{{ link }}{% include 'layout.txt' %}{{ 7 * 7 }}",
    "<script>alert(1)</script>",
    "\" onmouseover='alert(1)' x=\"",
];

pub(crate) fn settings() -> MailSettings {
    let from = MailSettings::parse_from("Tenantry <no-reply@mail.example.com>").unwrap();
    MailSettings { from, product: "Tenantry".to_owned() }
}

pub(crate) fn composer() -> Composer {
    Composer::new(templates(), settings())
}

pub(crate) fn templates() -> Arc<Templates> {
    Arc::new(Templates::load(IDENTITY_EMAILS, None).unwrap())
}

/// Returns an email of this template, as its job stores it.
pub(crate) fn email(template: &str, payload: Value, link: Option<(&str, u64)>) -> Email {
    let payload = serde_json::from_value(payload).unwrap();
    Email {
        to: "ada@example.com".to_owned(),
        link: link.map(|(purpose, _)| purpose.to_owned()),
        link_seconds: link.map(|(_, seconds)| seconds),
        template: template.to_owned(),
        payload,
    }
}

/// Returns an email without a link.
pub(crate) fn outgoing(template: &str, payload: Value) -> OutgoingEmail {
    let written_at = Timestamp::from_unix_millis(1_795_527_697_123).unwrap();
    OutgoingEmail { job: JOB.parse().unwrap(), written_at, email: email(template, payload, None), link: None }
}

/// Returns an email to that address.
pub(crate) fn to(address: &str) -> OutgoingEmail {
    let mut outgoing = outgoing("account_exists", serde_json::json!({ "name": "Ada" }));
    outgoing.email.to = address.to_owned();
    outgoing
}
