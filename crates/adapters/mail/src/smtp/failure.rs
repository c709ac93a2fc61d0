//! Failures of an SMTP server: whether they are permanent, and their text for the operator.

use lettre::transport::smtp::{Error as SmtpError, response::Severity};
use secrecy::{ExposeSecret, SecretString};
use std::{error::Error, fmt, time::Duration};
use tenantry_mails::MailerError;

use crate::values::one_line;

/// Maximum length of a quoted reply of the server; the rest is cut.
const MAX_ANSWER_CHARS: usize = 250;
/// A word of a reply of at least this length may be part of the token if the link contains it.
const MIN_TOKEN_PART_BYTES: usize = 12;
/// Replies that ask for another sign-in (RFC 4954), at any step.
const ABOUT_SIGN_IN: [u16; 4] = [530, 534, 535, 538];

/// The step that a conversation has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SmtpStep {
    Connecting,
    Securing,
    SigningIn,
    Sender,
    Recipient,
    Data,
    Message,
}

impl SmtpStep {
    /// Returns the text for a failure of this step.
    const fn told(self) -> &'static str {
        match self {
            Self::Connecting => "the mail server could not be reached",
            Self::Securing => "TLS with the mail server failed",
            Self::SigningIn => "the mail server refused the user and password of MAIL_URL",
            Self::Sender => "the mail server refused MAIL_FROM as the sender",
            Self::Recipient => "the mail server refused the recipient",
            Self::Data => "the mail server refused the email",
            Self::Message => "the mail server did not confirm the email",
        }
    }
}

/// The failure of a step. Its text shows neither password nor token.
#[derive(Debug)]
pub(crate) struct SmtpFailure {
    pub(crate) step: SmtpStep,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// The server refused, with this code.
    Answer { code: u16, text: String },
    /// The server did not reply within this time.
    Silence(Duration),
    /// Any other cause: no connection, a broken connection, TLS, an invalid reply.
    Other(String),
    /// The server lacks an extension that the recipient's address or the email needs; no later attempt changes that.
    Impossible(&'static str),
}

impl SmtpFailure {
    pub(crate) fn of(step: SmtpStep, error: &SmtpError) -> Self {
        let told = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let why = match error.status() {
            // The reply to a sign-in may repeat the credentials.
            Some(code) if step == SmtpStep::SigningIn => Why::Answer { code: code.into(), text: String::new() },
            Some(code) => Why::Answer { code: code.into(), text: one_line(&told, MAX_ANSWER_CHARS) },
            None if step == SmtpStep::SigningIn && error.is_response() => {
                Why::Other("its response is not SMTP".to_owned())
            }
            None => Why::Other(one_line(&told, MAX_ANSWER_CHARS)),
        };
        Self { step, why }
    }

    pub(crate) fn silence(step: SmtpStep, limit: Duration) -> Self {
        Self { step, why: Why::Silence(limit) }
    }

    pub(crate) fn other(step: SmtpStep, why: &str) -> Self {
        Self { step, why: Why::Other(why.to_owned()) }
    }

    pub(crate) fn impossible(step: SmtpStep, why: &'static str) -> Self {
        Self { step, why: Why::Impossible(why) }
    }

    /// Returns whether no later attempt can succeed: a permanent refusal (5xx) of this recipient or this email. A
    /// refusal before the recipient was named (the connection, the sign-in, the sender) would affect every email. The
    /// operator has to fix its cause, and no email is lost until then.
    pub(crate) fn is_permanent(&self) -> bool {
        match self.why {
            Why::Answer { code, .. } => {
                let is_for_good = code / 100 == Severity::PermanentNegativeCompletion as u16;
                is_for_good && self.step >= SmtpStep::Recipient && !ABOUT_SIGN_IN.contains(&code)
            }
            Why::Impossible(_) => true,
            Why::Silence(_) | Why::Other(_) => false,
        }
    }

    /// Returns the failure without any part of the link that the server may have repeated.
    fn without(mut self, link: Option<&SecretString>) -> Self {
        if let (Some(link), Why::Answer { text, .. } | Why::Other(text)) = (link, &mut self.why) {
            *text = redacted(text, link.expose_secret());
        }
        self
    }

    /// Returns the error for an email with this link.
    pub(crate) fn into_mailer_error(self, link: Option<&SecretString>) -> MailerError {
        let is_permanent = self.is_permanent();
        let told = Box::new(self.without(link));
        if is_permanent { MailerError::Permanent(told) } else { MailerError::Temporary(told) }
    }
}

impl fmt::Display for SmtpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.step.told())?;
        match &self.why {
            Why::Answer { code, text } if text.is_empty() => write!(f, "{code}"),
            Why::Answer { code, text } => write!(f, "{code} {text}"),
            Why::Silence(limit) => write!(f, "no answer within {} ms", limit.as_millis()),
            Why::Other(told) => f.write_str(told),
            Why::Impossible(told) => f.write_str(told),
        }
    }
}

impl Error for SmtpFailure {}

/// Returns the text with `…` for every word that is part of the link: a filter may quote the content that it refuses.
fn redacted(text: &str, link: &str) -> String {
    let is_part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_part_of_word) {
        let (before, word_and_more) = rest.split_at(start);
        let end = word_and_more.find(|c| !is_part_of_word(c)).unwrap_or(word_and_more.len());
        let (word, after) = word_and_more.split_at(end);
        shown.push_str(before);
        shown.push_str(if word.len() >= MIN_TOKEN_PART_BYTES && link.contains(word) { "…" } else { word });
        rest = after;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn answered(step: SmtpStep, code: u16) -> SmtpFailure {
        SmtpFailure { step, why: Why::Answer { code, text: "5.1.1 no such user".to_owned() } }
    }

    #[test]
    fn fa9_only_a_refusal_of_the_recipient_or_the_mail_is_for_good() {
        for step in [SmtpStep::Recipient, SmtpStep::Data, SmtpStep::Message] {
            for (code, is_permanent) in [(550, true), (552, true), (554, true), (421, false), (451, false)] {
                assert_eq!(answered(step, code).is_permanent(), is_permanent, "{code} at {step:?}");
            }
            for code in ABOUT_SIGN_IN {
                assert!(!answered(step, code).is_permanent(), "{code} at {step:?}");
            }
            assert!(!SmtpFailure::silence(step, Duration::from_secs(1)).is_permanent());
            assert!(!SmtpFailure::other(step, "connection reset").is_permanent());
        }
        for step in [SmtpStep::Connecting, SmtpStep::Securing, SmtpStep::SigningIn, SmtpStep::Sender] {
            for code in [421, 535, 550, 554] {
                assert!(!answered(step, code).is_permanent(), "{code} at {step:?}");
            }
        }
        assert!(SmtpFailure::impossible(SmtpStep::Sender, "no SMTPUTF8").is_permanent());
    }

    #[test]
    fn fa9_what_is_told_says_where_and_why() {
        let told = answered(SmtpStep::Recipient, 550).to_string();
        assert_eq!(told, "the mail server refused the recipient: 550 5.1.1 no such user");
        let told = SmtpFailure::silence(SmtpStep::Connecting, Duration::from_millis(2500)).to_string();
        assert_eq!(told, "the mail server could not be reached: no answer within 2500 ms");
    }

    #[test]
    fn tk4_no_token_that_a_server_repeats_is_told() {
        let link = format!("https://app.example.com/links/reset#{TOKEN}");
        for quoted in [link.clone(), TOKEN.to_owned(), format!("<a href={link}>"), format!("#{}=", &TOKEN[..20])] {
            let text = format!("5.7.1 blocked for {quoted}, see https://filter.example.net/why");
            let failure = SmtpFailure { step: SmtpStep::Message, why: Why::Answer { code: 554, text } };
            let told = failure.without(Some(&SecretString::from(link.clone()))).to_string();
            assert!(!told.contains(&TOKEN[..12]) && told.contains("https://filter.example.net/why"), "{told}");
        }
    }
}
