//! Letters for tests.

use std::sync::Arc;
use tenantry_identity::{Letter, Mail, Outgoing};
use tenantry_kernel::Timestamp;

use crate::{MailSettings, Templates, composer::Composer};

pub(crate) const JOB: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

/// What people might call themselves to make a mail do something.
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
    Composer::new(Arc::new(Templates::embedded()), settings())
}

/// A letter without a link.
pub(crate) fn outgoing(mail: Mail) -> Outgoing {
    let letter = Letter { to: "ada@example.com".to_owned(), link: None, link_seconds: None, mail };
    let written_at = Timestamp::from_unix_millis(1_795_527_697_123).unwrap();
    Outgoing { job: JOB.parse().unwrap(), written_at, letter, link: None }
}

/// A letter to that address.
pub(crate) fn to(address: &str) -> Outgoing {
    let mut outgoing = outgoing(Mail::AccountExists { name: "Ada".to_owned() });
    outgoing.letter.to = address.to_owned();
    outgoing
}
