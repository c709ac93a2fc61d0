//! New links of every purpose, taken from the mailbox.

use serde_json::{Value, json};

use super::{Mailed, Member, PASSWORD, Server, Tenant};

/// The password that a new user chooses through a link.
pub(crate) const CHOSEN: &str = "another-vivid-plank-8";

/// Creates the body of a request with a token.
type BodyOf = fn(Value) -> Value;

/// The operations that take tokens of links, with the rest of their bodies.
pub(crate) const LINK_PLACES: [(&str, BodyOf); 5] = [
    ("/auth/register/confirm", |token| json!({ "token": token, "password": PASSWORD })),
    ("/auth/email/verify", |token| json!({ "token": token, "password": PASSWORD })),
    ("/auth/password/reset", |token| json!({ "token": token, "password": CHOSEN })),
    ("/invitations/accept", |token| json!({ "token": token, "password": CHOSEN, "name": "Fay" })),
    ("/invitations/lookup", |token| json!({ "token": token })),
];

/// A mailed link and its operation.
pub(crate) struct Linked {
    pub(crate) name: &'static str,
    pub(crate) token: String,
    pub(crate) path: &'static str,
}

impl Linked {
    fn new(name: &'static str, path: &'static str, mail: &Mailed) -> Self {
        Self { name, token: mail.token().to_owned(), path }
    }

    /// Returns the body that its operation takes.
    pub(crate) fn body(&self) -> Value {
        body_for(self.path, json!(self.token))
    }
}

/// Returns the body that an operation takes with this token.
pub(crate) fn body_for(place: &str, token: Value) -> Value {
    let (_, body) = LINK_PLACES.iter().find(|(path, _)| *path == place).unwrap();
    body(token)
}

impl Server {
    /// Creates a user with a tenant, where addresses have to be confirmed.
    pub(crate) async fn confirmed_tenant(&self, slug: &str) -> Tenant {
        let mail = self.registers(&format!("owner@{slug}.example"), slug).await;
        let body = body_for("/auth/register/confirm", json!(mail.token()));
        let data = self.client().post("/auth/register/confirm", body).await.is(201);
        Tenant {
            id: data["tenant"]["id"].as_str().unwrap().to_owned(),
            slug: slug.to_owned(),
            owner: Member::new(&self.client(), &data),
        }
    }

    /// Registers where addresses have to be confirmed, and returns the email.
    pub(crate) async fn registers(&self, email: &str, slug: &str) -> Mailed {
        let body =
            json!({ "email": email, "password": PASSWORD, "name": "Rita", "tenantName": slug, "tenantSlug": slug });
        self.client().post("/auth/register", body).await.is(202);
        self.mail(email, "Confirm your registration").await
    }

    /// Requests a password reset, and returns the email.
    pub(crate) async fn forgets(&self, email: &str) -> Mailed {
        self.forgets_as(email, email).await
    }

    /// Requests a password reset with another spelling of the address, and returns the email.
    pub(crate) async fn forgets_as(&self, spelling: &str, email: &str) -> Mailed {
        self.client().post("/auth/password/forgot", json!({ "email": spelling })).await.is(202);
        self.mail(email, "Choose a new password").await
    }

    /// Requests an email address change, and returns the email to the new address.
    pub(crate) async fn wants(&self, member: &Member, new_email: &str) -> Mailed {
        let body = json!({ "currentPassword": PASSWORD, "newEmail": new_email });
        member.post("/auth/email/change", body).await.is(202);
        self.mail(new_email, "Confirm your new email address").await
    }

    /// Marks the address as unverified, requests another verification link, and returns the email.
    pub(crate) async fn doubts(&self, member: &Member) -> Mailed {
        let id = self.sql.id(&member.id);
        self.sql.execute(&format!("UPDATE users SET email_verified_at = NULL WHERE id = {id}")).await;
        member.post("/auth/email/resend", json!({})).await.is(202);
        self.mail(&member.email, "Confirm your email address").await
    }

    /// Creates one link of each kind, each for another user, where addresses have to be confirmed.
    pub(crate) async fn one_link_of_each(&self, acme: &Tenant) -> [Linked; 5] {
        let confirm = self.registers("carl@carl.example", "carl").await;
        let dora = self.confirmed_tenant("dora").await.owner;
        let verify = self.doubts(&dora).await;
        let bea = self.confirmed_tenant("bea").await.owner;
        let change = self.wants(&bea, "new@bea.example").await;
        let emil = self.confirmed_tenant("emil").await.owner;
        let reset = self.forgets(&emil.email).await;
        let invite = self.invite(acme, "fay@fay.example", "viewer").await;
        [
            Linked::new("confirm", "/auth/register/confirm", &confirm),
            Linked::new("verify", "/auth/email/verify", &verify),
            Linked::new("change", "/auth/email/verify", &change),
            Linked::new("reset", "/auth/password/reset", &reset),
            Linked::new("invite", "/invitations/accept", &invite),
        ]
    }

    /// Lets every link expire.
    pub(crate) async fn let_links_expire(&self) {
        for table in ["links", "registrations", "invitations"] {
            self.sql.execute(&format!("UPDATE {table} SET expires_at = created_at")).await;
        }
    }
}
