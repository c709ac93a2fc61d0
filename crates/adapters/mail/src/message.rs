//! Creates the message of an email (RFC 5322).

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{Header, HeaderName, HeaderValue},
    },
};
use std::{
    error::Error,
    time::{Duration, SystemTime},
};
use tenantry_kernel::{EmailAddress, Timestamp};
use tenantry_mails::{Email, MailerError, OutgoingEmail};

use crate::templates::Rendered;

/// The last second of the year 9999, after which a `Date` has no form.
const LAST_SECOND: u64 = 253_402_300_799;

/// Returns the mailbox of the recipient. The rule of the domain comes first: it is stricter than lettre and refuses
/// quoted parts, for example.
pub(crate) fn recipient(email: &Email) -> Result<Mailbox, MailerError> {
    let address = EmailAddress::parse(&email.to).map_err(permanent)?;
    let address = address.as_str().parse().map_err(permanent)?;
    Ok(Mailbox::new(None, address))
}

/// Returns the whole message. It depends on the email alone, so a repeat has the same bytes and can be recognised by
/// its `Message-ID`. The `Content-Type` is that of the parts.
pub(crate) fn message(from: &Mailbox, outgoing: &OutgoingEmail, rendered: Rendered) -> Result<Message, MailerError> {
    let Rendered { subject, text, html } = rendered;
    let job = outgoing.job;
    let parts = MultiPart::alternative()
        .boundary(job.to_string())
        .singlepart(SinglePart::plain(text))
        .singlepart(SinglePart::html(html));
    Message::builder()
        .from(from.clone())
        .to(recipient(&outgoing.email)?)
        // A text that looks like an encoded word (RFC 2047) would be sent unchanged and read as its decoded form, line
        // breaks included.
        .subject(subject.replace("=?", "= ?"))
        .date(date(outgoing.written_at))
        .message_id(Some(format!("<{job}@{}>", from.email.domain())))
        .header(AutoSubmitted)
        .multipart(parts)
        .map_err(permanent)
}

fn permanent(error: impl Error + Send + Sync + 'static) -> MailerError {
    MailerError::Permanent(error.into())
}

/// Returns the time in whole seconds: a `Date` has no smaller unit, and formatting a later year would panic.
fn date(moment: Timestamp) -> SystemTime {
    let seconds = u64::try_from(moment.unix_seconds()).unwrap_or(0).min(LAST_SECOND);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// `Auto-Submitted: auto-generated` (RFC 3834), so that no absence notice is sent in reply.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{HOSTILE, JOB, composer, outgoing, to};
    use serde_json::json;

    fn formatted(outgoing: &OutgoingEmail) -> String {
        String::from_utf8(composer().compose(outgoing).unwrap().formatted()).unwrap()
    }

    /// Returns the headers of the whole message, unfolded.
    fn headers(message: &str) -> Vec<String> {
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_message_has_the_headers_of_its_email_and_no_other() {
        let message = formatted(&outgoing("account_exists", json!({ "name": "Ada" })));
        assert_eq!(
            headers(&message),
            [
                "From: Tenantry <no-reply@mail.example.com>",
                "To: ada@example.com",
                "Subject: You already have an account at Tenantry",
                "Date: Tue, 24 Nov 2026 13:41:37 +0000",
                &format!("Message-ID: <{JOB}@mail.example.com>"),
                "Auto-Submitted: auto-generated",
                "MIME-Version: 1.0",
                &format!("Content-Type: multipart/alternative; boundary=\"{JOB}\""),
            ]
        );
        let parts: Vec<&str> = message.split(&format!("--{JOB}")).skip(1).collect();
        assert_eq!(parts.len(), 3);
        assert!(parts[0].starts_with("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
        assert!(parts[1].starts_with("\r\nContent-Type: text/html; charset=utf-8\r\n"));
        assert_eq!(parts[2], "--\r\n");
        assert_eq!(message.matches("\nContent-Type:").count(), 3);
    }

    #[test]
    fn a_repeat_is_the_same_to_the_byte() {
        let email = outgoing("account_exists", json!({ "name": "Ada" }));
        assert_eq!(formatted(&email), formatted(&email));
    }

    #[test]
    fn long_words_beyond_ascii_are_short_lines_of_ascii() {
        let word = "é".repeat(300);
        let message = formatted(&outgoing("welcome", json!({ "name": word, "tenant": word })));
        assert!(message.is_ascii());
        assert!(message.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }

    #[test]
    fn re6_words_of_people_never_make_a_header() {
        for word in HOSTILE {
            let mut email = outgoing("invitation", json!({ "tenant": word, "inviter": word }));
            email.link = Some("https://app.example.com/invite#x".into());
            let headers = headers(&formatted(&email));
            let names: Vec<&str> = headers.iter().map(|line| line.split_once(':').unwrap().0).collect();
            let known =
                ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"];
            assert_eq!(names, known, "{word:?}");
            assert!(headers.iter().all(|line| line.is_ascii() && !line.contains(char::is_control)), "{headers:?}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_written_to_is_permanent_and_never_echoed() {
        for bad in [
            "",
            "planted",
            "planted@",
            "a@example.com\r\nBcc: planted@example.com",
            "\"planted\"@example.com",
            "a@example.com, planted@example.com",
            "planted <a@example.com>",
        ] {
            match composer().compose(&to(bad)) {
                Err(error @ MailerError::Permanent(_)) => assert!(!format!("{error:?}").contains("planted")),
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_address_beyond_ascii_is_written_with_its_domain_in_ascii() {
        for (address, written) in [
            ("josé@example.com", "josé@example.com"),
            ("ada@münchen.example", "ada@xn--mnchen-3ya.example"),
            ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ] {
            let message = formatted(&to(address));
            assert!(headers(&message).contains(&format!("To: {written}")), "{message}");
        }
    }

    #[test]
    fn a_moment_that_no_date_can_hold_does_not_panic() {
        for millis in [-1, i64::MAX / 2_000] {
            let mut email = to("ada@example.com");
            email.written_at = Timestamp::from_unix_millis(millis).unwrap();
            assert!(composer().compose(&email).is_ok());
        }
    }

    #[test]
    fn an_email_without_its_link_is_not_sent() {
        let mut email = outgoing("reset_password", json!({ "name": "Ada" }));
        email.email.link = Some("reset".to_owned());
        assert!(matches!(composer().compose(&email), Err(MailerError::Permanent(_))));
    }
}
