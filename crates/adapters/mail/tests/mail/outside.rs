//! Tests that a crate without the identity domain can declare an email, enqueue it, and have it sent.

use async_trait::async_trait;
use secrecy::SecretString;
use std::sync::Arc;
use tempfile::TempDir;
use tenantry_jobs::{Enqueued, JobQueue, JobSecret, NewJob, SealError, SealedSecret, Sealer};
use tenantry_kernel::{Actor, EmailAddress, Origin, RequestId, StoreError};
use tenantry_mail::{FileMailer, Templates};
use tenantry_mails::{AttachedLink, Email, Mailer, OutgoingEmail, send_email};
use tenantry_testkit::mailer::EMAILS;

use crate::support::{context, read, settings};

tenantry_mails::emails! {
    /// The emails of a shop.
    const SHOP_EMAILS;

    /// An order is on its way.
    struct OrderShippedEmail = "order_shipped", links: [Some("order")] => {
        /// The name of the customer.
        name: String = [Some("Ada")],
        /// The number of the parcel, where there is one.
        parcel: Option<String> = [Some("1Z999"), None],
    }
}

/// A queue that keeps the enqueued jobs.
#[derive(Default)]
struct Queue(Vec<NewJob>);

#[async_trait]
impl JobQueue for Queue {
    async fn enqueue_jobs(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        self.0.extend_from_slice(jobs);
        Ok(vec![Enqueued::Added; jobs.len()])
    }
}

/// A sealer that does not encrypt.
struct Plain;

impl Sealer for Plain {
    fn seal(&self, secret: &JobSecret, _: &[u8]) -> Result<SealedSecret, SealError> {
        use secrecy::ExposeSecret;
        let bytes = secret.text.expose_secret().as_bytes().to_vec();
        Ok(SealedSecret { key_id: "plain".to_owned(), bytes, expires_at: secret.expires_at })
    }

    fn open(&self, sealed: &SealedSecret, _: &[u8]) -> Result<JobSecret, SealError> {
        let text = String::from_utf8(sealed.bytes.clone()).map_err(SealError::new)?;
        Ok(JobSecret { text: text.into(), expires_at: sealed.expires_at })
    }
}

#[tokio::test]
async fn a_crate_of_its_own_declares_and_sends_an_email() {
    let (context, mut queue) = (context(), Queue::default());
    let actor = Actor::anonymous(Origin { trace: RequestId::new(&context).into(), ip: None, user_agent: None });
    let to = EmailAddress::parse("ada@example.com").unwrap();
    let token = SecretString::from("TOKEN");
    let expires_at = context.now().plus(std::time::Duration::from_secs(7_200));
    let link = AttachedLink { purpose: "order", token: &token, expires_at, sealer: &Plain };
    let payload = OrderShippedEmail { name: "Ada".to_owned(), parcel: Some("1Z42".to_owned()) };
    send_email(&mut queue, &actor, &context, None, &to, payload, Some(link)).await.unwrap();

    let job = queue.0.pop().unwrap();
    assert_eq!((job.kind, job.queue, job.version), ("mail", "mail", 1));
    let stored = r#"{"to":"ada@example.com","link":"order","link_seconds":7200,"mail":"order_shipped","name":"Ada","parcel":"1Z42"}"#;
    assert_eq!(job.payload, stored);
    assert_eq!(job.secret.as_ref().map(|secret| secret.bytes.as_slice()), Some(&b"TOKEN"[..]));

    let folder = TempDir::new().unwrap();
    let templates = Arc::new(Templates::load(&[EMAILS, SHOP_EMAILS].concat(), None).unwrap());
    let mailer = FileMailer::new(folder.path(), templates, settings());
    let email: Email = serde_json::from_str(&job.payload).unwrap();
    let link = Some("https://shop.example.com/order#TOKEN".into());
    mailer.send(&OutgoingEmail { job: job.id, written_at: job.created_at, email, link }).await.unwrap();
    let sent = read(&std::fs::read(folder.path().join(format!("{}.eml", job.id))).unwrap());
    assert_eq!(sent.to, "ada@example.com");
    for part in ["Hello Ada,", "Parcel: 1Z42", "https://shop.example.com/order#TOKEN", "within 2 hours"] {
        assert!(sent.text.contains(part), "{part} is not in {}", sent.text);
    }
}
