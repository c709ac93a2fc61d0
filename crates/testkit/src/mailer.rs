//! The suite of [`Mailer`]. It takes a mailer that renders [`EMAILS`], and its outbox, which is empty.

use secrecy::SecretString;
use std::future::Future;
use tenantry_jobs::JobId;
use tenantry_kernel::{Context, Timestamp};
use tenantry_mails::{Email, Mailer, MailerError, OutgoingEmail, TemplatePayload};

use crate::context::{TestClock, TestEntropy};

tenantry_mails::emails! {
    /// The emails that the suite sends: the tested mailer gets their templates.
    pub const EMAILS;

    /// A note, with or without a link.
    pub struct NoteEmail = "note", links: [None, Some("page")] => {
        /// The name of the recipient.
        name: String = [Some("Ada")],
    }
}

/// A sent email in the form that the suite compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Identifies a repetition: the `Message-ID`, or its equivalent.
    pub id: String,
    /// The mailbox.
    pub to: String,
    /// The text as users read it.
    pub text: String,
}

/// The outbox of a mailer, for inspection.
pub trait Outbox: Sync {
    /// Returns all emails sent so far. A repeated email may appear once or twice.
    fn sent(&self) -> impl Future<Output = Vec<Sent>> + Send;
}

suite! {
    mailer(adapter: (impl Mailer, impl Outbox)) calls (&adapter.0, &adapter.1, &context()) {
        what_cannot_be_sent_is_permanent_and_leaves_nothing,
        an_email_has_reached_its_mailbox_when_sending_returns,
        a_repeat_is_told_by_its_id,
        many_emails_at_once_are_all_sent,
    }
}

fn context() -> Context {
    Context::new(TestClock::at(Timestamp::from_unix_millis(1_795_527_697_123).unwrap()), TestEntropy)
}

/// Creates a note to that address, without a link.
pub fn note(context: &Context, to: &str, name: &str) -> OutgoingEmail {
    let email = Email {
        to: to.to_owned(),
        link: None,
        link_seconds: None,
        template: NoteEmail::TEMPLATE.name.to_owned(),
        payload: NoteEmail { name: name.to_owned() }.into_payload(),
    };
    OutgoingEmail { job: JobId::new(context), written_at: context.now(), email, link: None }
}

/// Creates the same note with that link.
pub fn note_with_link(context: &Context, to: &str, name: &str, link: &str) -> OutgoingEmail {
    let mut note = note(context, to, name);
    note.email.link = Some("page".to_owned());
    note.email.link_seconds = Some(1_800);
    note.link = Some(SecretString::from(link));
    note
}

async fn sent_to(outbox: &impl Outbox, to: &str) -> Vec<Sent> {
    outbox.sent().await.into_iter().filter(|sent| sent.to == to).collect()
}

async fn what_cannot_be_sent_is_permanent_and_leaves_nothing(
    mailer: &impl Mailer,
    outbox: &impl Outbox,
    context: &Context,
) {
    for address in ["", "planted", "planted@", "a@example.com\r\nBcc: planted@example.com"] {
        let error = mailer.send(&note(context, address, "Ada")).await.unwrap_err();
        assert!(!format!("{error:?}").contains("planted"), "{error:?}");
        must_be!(error, MailerError::Permanent(_));
    }
    let mut without_link = note(context, "ada@example.com", "Ada");
    without_link.email.link = Some("page".to_owned());
    must_be!(mailer.send(&without_link).await, Err(MailerError::Permanent(_)));
    assert_eq!(outbox.sent().await, []);
}

async fn an_email_has_reached_its_mailbox_when_sending_returns(
    mailer: &impl Mailer,
    outbox: &impl Outbox,
    context: &Context,
) {
    const LINK: &str = "https://app.example.com/links/reset#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let note = note_with_link(context, "charles@example.com", "Charles", LINK);
    mailer.send(&note).await.unwrap();
    let sent = outbox.sent().await;
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].to, "charles@example.com");
    assert!(sent[0].text.contains(LINK) && sent[0].text.contains("Charles"), "{sent:?}");
}

async fn a_repeat_is_told_by_its_id(mailer: &impl Mailer, outbox: &impl Outbox, context: &Context) {
    let (first, second) = (note(context, "twice@example.com", "Ada"), note(context, "twice@example.com", "Ada"));
    for email in [&first, &second, &first] {
        mailer.send(email).await.unwrap();
    }
    let mut sent = sent_to(outbox, "twice@example.com").await;
    assert!(matches!(sent.len(), 2 | 3), "{sent:?}");
    sent.sort_by(|one, other| one.id.cmp(&other.id));
    sent.dedup();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_ne!(sent[0].id, sent[1].id);
    for email in [first, second] {
        let job = email.job.to_string();
        assert!(sent.iter().any(|sent| sent.id.contains(&job)), "{job} is in no id of {sent:?}");
    }
}

async fn many_emails_at_once_are_all_sent(mailer: &impl Mailer, outbox: &impl Outbox, context: &Context) {
    const MANY: usize = 20;
    let emails: Vec<OutgoingEmail> = (0..MANY).map(|n| note(context, &format!("many{n}@example.com"), "Ada")).collect();
    for sent in futures::future::join_all(emails.iter().map(|email| mailer.send(email))).await {
        sent.unwrap();
    }
    for email in emails {
        let sent = sent_to(outbox, &email.email.to).await;
        assert_eq!(sent.len(), 1, "{} in {sent:?}", email.email.to);
        assert!(sent[0].id.contains(&email.job.to_string()));
    }
}
