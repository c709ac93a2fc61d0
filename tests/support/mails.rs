//! The emails that a server has sent, as the owner of the mailbox sees them.

use mail_parser::MessageParser;
use serde_json::json;
use std::{fs, time::Duration};

use super::{Member, Server, ServerData, Tenant};

/// Maximum time until an email is delivered.
const DELIVERY: Duration = Duration::from_secs(20);

/// One email.
#[derive(Debug, Clone)]
pub(crate) struct Mailed {
    /// Name of its file, which is the id of its job.
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    /// The whole email, as it was sent.
    pub(crate) raw: String,
}

impl Mailed {
    fn read(id: String, raw: &[u8]) -> Self {
        let message = MessageParser::default().parse(raw).expect("a mail");
        let to = message.to().and_then(|to| to.first()).and_then(|to| to.address()).expect("a recipient");
        Self {
            id,
            to: to.to_owned(),
            subject: message.subject().expect("a subject").to_owned(),
            text: message.body_text(0).expect("text").into_owned(),
            html: message.body_html(0).expect("HTML").into_owned(),
            raw: String::from_utf8_lossy(raw).into_owned(),
        }
    }

    /// Returns the address of its link.
    #[track_caller]
    pub(crate) fn link(&self) -> &str {
        let link = self.text.split_whitespace().find(|word| word.contains("/links/") && word.contains('#'));
        link.unwrap_or_else(|| panic!("no link in {}", self.text))
    }

    /// Returns the token of its link.
    #[track_caller]
    pub(crate) fn token(&self) -> &str {
        self.link().split_once('#').unwrap().1
    }
}

impl ServerData {
    /// Returns every sent email, oldest first.
    pub(crate) fn mails(&self) -> Vec<Mailed> {
        let Ok(folder) = fs::read_dir(self.mail_folder()) else { return Vec::new() };
        let files = folder.map(|file| file.unwrap().path());
        let mails = files.filter(|file| file.extension().is_some_and(|extension| extension == "eml"));
        // A mail is written once and never changed. Each is parsed once, because tests poll this function.
        let mut parsed = self.parsed.lock().unwrap();
        let mut mails: Vec<Mailed> = mails
            .map(|file| {
                let id = file.file_stem().unwrap().to_str().unwrap().to_owned();
                let read = || Mailed::read(id.clone(), &fs::read(&file).unwrap());
                parsed.entry(id.clone()).or_insert_with(read).clone()
            })
            .collect();
        mails.sort_by(|one, other| one.id.cmp(&other.id));
        mails
    }
}

impl Server {
    /// Waits for the next unopened email to that address whose subject contains this text.
    pub(crate) async fn mail(&self, to: &str, subject: &str) -> Mailed {
        let began = std::time::Instant::now();
        loop {
            for mail in self.place.mails() {
                if mail.to == to && mail.subject.contains(subject) && self.open(&mail) {
                    return mail;
                }
            }
            if began.elapsed() > DELIVERY {
                let subjects: Vec<_> = self.place.mails().into_iter().map(|m| (m.to, m.subject)).collect();
                panic!("no mail about {subject:?} to {to}, only {subjects:?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn open(&self, mail: &Mailed) -> bool {
        self.place.opened.lock().unwrap().insert(mail.id.clone())
    }

    /// Follows the link of the welcome email.
    pub(crate) async fn verify(&self, member: &Member) {
        let welcome = self.mail(&member.email, "Welcome").await;
        member.post("/auth/email/verify", json!({ "token": welcome.token() })).await.is(204);
    }

    /// Creates a tenant like [`Server::tenant`], with the owner's address verified.
    pub(crate) async fn verified_tenant(&self, slug: &str) -> Tenant {
        let tenant = self.tenant(slug).await;
        self.verify(&tenant.owner).await;
        tenant
    }

    /// Invites an email address with one of the tenant's roles, and returns the email.
    pub(crate) async fn invite(&self, tenant: &Tenant, email: &str, role: &str) -> Mailed {
        let body = json!({ "email": email, "roleIds": [tenant.role(role).await] });
        tenant.owner.post("/invitations", body).await.is(201);
        self.mail(email, "invites you").await
    }
}

impl Tenant {
    /// Returns the id of the tenant's role of that name.
    pub(crate) async fn role(&self, name: &str) -> String {
        let roles = self.owner.get("/roles?limit=100").await.is(200);
        let found = roles.as_array().unwrap().iter().find(|role| role["name"] == name).unwrap();
        found["id"].as_str().unwrap().to_owned()
    }
}
