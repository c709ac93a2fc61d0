//! The part of the walk that depends on emails: address changes, forgotten passwords, several tenants, invitations.

use serde_json::{Value, json};
use tenantry_kernel::TenantStatus;

use super::{GUESSES, NOTHING, OTHER_PASSWORD, WRONG_PASSWORD, Walk, settings};
use crate::support::{Client, Member, PASSWORD, Reply, Server, Tenant};

/// Maximum number of emails to one mailbox per hour.
const MAILS: usize = 5;
const FORGED: &str = "kZp3vV0Jr1m8Q5h2Yx7dWcT9bNf4sLgEaUoKiRtMhPw";

impl Walk<'_> {
    pub(super) async fn by_mail(&self, acme: &Tenant) {
        self.confirming().await;
        self.forgetting().await;
        self.verifying().await;
        self.changing_the_address().await;
        self.several_tenants(acme).await;
        self.handing_over().await;
        self.inviting().await;
        self.accepting().await;
    }

    /// Fails with a wrong password; its event is written after the response.
    async fn fails_to_guess(&self, server: &Server, operation: &str, reply: Reply) {
        let id = reply.request_id();
        reply.refused(401, "invalid_credentials");
        self.until(|| async { !server.sql.events_of(id).await.is_empty() }).await;
        self.record.note_events_of(server, operation, id).await;
    }

    /// Repeats the request until the rate limit refuses it.
    async fn until_too_often(&self, client: &Client, call: &str, body: Value) {
        for _ in 0..=MAILS.max(GUESSES) {
            let reply = self.call(client, call, body.clone()).await;
            if reply.status == 429 {
                reply.refused(429, "rate_limited");
                return;
            }
        }
        panic!("{call} is never too often");
    }

    async fn token(&self, server: &Server, to: &str, subject: &str) -> String {
        let token = server.mail(to, subject).await.token().to_owned();
        self.keep_secrets(&[&token]);
        token
    }

    async fn confirming(&self) {
        let server = Server::start(self.kind, settings().set("REGISTRATION", "verified")).await;
        let (nobody, call) = (server.client(), "POST /auth/register/confirm");
        let confirm = |token: &str, password: &str| json!({ "token": token, "password": password });
        let mut tokens = Vec::new();
        for name in ["vera", "viktor"] {
            let email = format!("{name}@example.com");
            let body = json!({
                "email": email, "password": OTHER_PASSWORD, "name": name, "tenantName": "V", "tenantSlug": "the-vs"
            });
            let accepted = self.call_at(&server, &nobody, "POST /auth/register", body).await.is(202);
            assert_eq!(accepted, json!({}));
            tokens.push(self.token(&server, &email, "Confirm your registration").await);
        }
        let [vera, viktor] = &tokens[..] else { unreachable!() };
        self.call_at(&server, &nobody, call, confirm(FORGED, OTHER_PASSWORD)).await.refused(422, "link_invalid");
        let wrong = self.call_at(&server, &nobody, call, confirm(vera, WRONG_PASSWORD)).await;
        self.fails_to_guess(&server, "confirm_registration", wrong).await;
        self.call_at(&server, &nobody, call, confirm(vera, OTHER_PASSWORD)).await.is(201);
        self.call_at(&server, &nobody, call, confirm(viktor, OTHER_PASSWORD)).await.refused(409, "slug_taken");
        self.until_too_often(&nobody, call, confirm(viktor, WRONG_PASSWORD)).await;
    }

    async fn forgetting(&self) {
        let person = self.server.tenant("forgetful").await.owner;
        let (nobody, call) = (self.server.client(), "POST /auth/password/reset");
        let forgot = json!({ "email": person.email });
        self.call(&nobody, "POST /auth/password/forgot", forgot.clone()).await.is(202);
        let token = self.token(self.server, &person.email, "new password").await;
        let reset = |password: &str| json!({ "token": token, "password": password });
        self.call(&nobody, call, reset("password123")).await.refused(422, "weak_password");
        self.call(&nobody, call, reset(OTHER_PASSWORD)).await.is(204);
        self.call(&nobody, call, reset(OTHER_PASSWORD)).await.refused(422, "link_invalid");
        self.until_too_often(&nobody, "POST /auth/password/forgot", forgot).await;
    }

    async fn verifying(&self) {
        let person = self.server.tenant("provable").await.owner;
        let (nobody, call) = (self.server.client(), "POST /auth/email/verify");
        let token = self.token(self.server, &person.email, "Welcome").await;
        let verify = |password: &str| json!({ "token": token, "password": password });
        self.call(&nobody, call, json!({ "token": token })).await.refused(401, "unauthenticated");
        let wrong = self.call(&nobody, call, verify(WRONG_PASSWORD)).await;
        self.fails_to_guess(self.server, "verify_email", wrong).await;
        self.call(&nobody, call, verify(PASSWORD)).await.is(204);
        self.call(&nobody, call, verify(PASSWORD)).await.refused(422, "link_invalid");

        let other = self.server.tenant("unproved").await.owner;
        let token = self.token(self.server, &other.email, "Welcome").await;
        self.until_too_often(&nobody, call, json!({ "token": token, "password": WRONG_PASSWORD })).await;
        self.call(&other, "POST /auth/email/resend", NOTHING).await.is(202);
        self.until_too_often(&other, "POST /auth/email/resend", NOTHING).await;
    }

    async fn changing_the_address(&self) {
        let person = self.server.tenant("moving").await.owner;
        let (change, verify) = ("POST /auth/email/change", "POST /auth/email/verify");
        let body = |email: &str, password: &str| json!({ "newEmail": email, "currentPassword": password });
        let wrong = self.call(&person, change, body("new@moving.example", WRONG_PASSWORD)).await;
        wrong.refused(401, "invalid_credentials");
        self.call(&person, change, body("wanted@moving.example", PASSWORD)).await.is(202);
        let token = self.token(self.server, "wanted@moving.example", "Confirm your new").await;
        let quicker = json!({
            "email": "wanted@moving.example", "password": PASSWORD, "name": "Quinn", "tenantName": "Quicker"
        });
        self.call(&self.server.client(), "POST /auth/register", quicker).await.is(201);
        self.call(&person, verify, json!({ "token": token })).await.refused(409, "email_taken");

        self.server.sign_in(&person.email, "moving").await;
        self.call(&person, change, body("new@moving.example", PASSWORD)).await.is(202);
        let token = self.token(self.server, "new@moving.example", "Confirm your new").await;
        self.call(&person, verify, json!({ "token": token })).await.is(204);
        self.until_too_often(&person, change, body("often@moving.example", PASSWORD)).await;
    }

    async fn several_tenants(&self, acme: &Tenant) {
        let home = self.server.tenant("first-home").await;
        let person = &home.owner;
        self.server.join(acme, &person.email, "viewer").await;
        self.call(person, "GET /tenants", NOTHING).await.is(200);
        self.call(person, "POST /tenants", json!({ "name": "Second Home" })).await.is(201);
        let taken = json!({ "name": "Acme", "slug": acme.slug });
        self.call(person, "POST /tenants", taken).await.refused(409, "slug_taken");
        self.closed_to_new_tenants().await;

        let (call, switch) = (
            "POST /auth/switch",
            |tenant: &str, token: &str| json!({ "tenantId": tenant, "refreshToken": token, "endCurrent": true }),
        );
        let shut = self.server.tenant("shut").await;
        self.server.join(&shut, &person.email, "viewer").await;
        self.server.set_status(&shut, TenantStatus::Suspended).await;
        let to_shut = switch(&shut.id, &person.refresh_token);
        self.call(person, call, to_shut).await.refused(403, "tenant_suspended");
        let cookie = self.cookie_of(person, "first-home").await;
        let only_cookie = json!({ "tenantId": acme.id });
        let answer = self.call_with(person, call, only_cookie, &[("cookie", &cookie)]).await;
        answer.refused(403, "origin_not_allowed");
        self.call(person, call, switch(&acme.id, &person.refresh_token)).await.is(200);

        let copied = self.server.sign_in(&person.email, "first-home").await;
        let mut token = copied.refresh_token.clone();
        for _ in 0..2 {
            let refreshed = copied.post("/auth/refresh", json!({ "refreshToken": token })).await.is(200);
            refreshed["refreshToken"].as_str().unwrap().clone_into(&mut token);
            self.keep_secrets(&[&token]);
        }
        self.call(&copied, call, switch(&acme.id, &copied.refresh_token)).await.refused(401, "session_ended");
    }

    async fn closed_to_new_tenants(&self) {
        let settings = settings().set("PUBLIC_URL", "http://tenantry.example");
        let open = Server::start(self.kind, settings.clone()).await;
        let token = open.tenant("early").await.owner.access_token.clone().unwrap();
        let closed = open.restart(settings.set("REGISTRATION", "closed")).await;
        let person = closed.client().with_token(&token);
        let reply = self.call_at(&closed, &person, "POST /tenants", json!({ "name": "Late" })).await;
        reply.refused(403, "registration_closed");
    }

    async fn handing_over(&self) {
        let tenant = self.server.tenant("handed").await;
        let (owner, call) = (&tenant.owner, "POST /tenant/transfer");
        let heir = self.server.member(&tenant, "member").await;
        let to = |id: &str| json!({ "userId": id });
        self.call(owner, call, to(&heir.id)).await.refused(403, "email_unverified");
        self.server.verify(owner).await;
        self.call(owner, call, to(&owner.id)).await.refused(409, "invalid_state");
        self.call(owner, "POST /tenant/leave", NOTHING).await.refused(409, "last_owner");
        self.call(owner, call, to(&heir.id)).await.is(204);
        self.call(owner, "POST /tenant/leave", NOTHING).await.is(204);
    }

    async fn inviting(&self) {
        let tenant = self.server.tenant("inviting").await;
        let (owner, call) = (&tenant.owner, "POST /invitations");
        let (viewer, admin) = (tenant.role("viewer").await, tenant.role("admin").await);
        let to = |email: &str, role: &str| json!({ "email": email, "roleIds": [role] });
        self.call(owner, call, to("ida@example.com", &viewer)).await.refused(403, "email_unverified");
        self.server.verify(owner).await;
        self.call(owner, call, to(&owner.email, &viewer)).await.refused(409, "already_member");
        let made = self.call(owner, call, to("ivy@example.com", &admin)).await.is(201);
        let path = format!("/invitations/{}", made["id"].as_str().unwrap());
        self.call(owner, call, to("ivy@example.com", &admin)).await.is(201);

        let limited = self.server.member_with(&tenant, &["invitations:manage", "tenant:read"]).await;
        self.call(&limited, &format!("POST {path}/resend"), NOTHING).await.refused(403, "email_unverified");
        self.server.verify(&limited).await;
        self.call(&limited, call, to("iris@example.com", &admin)).await.refused(403, "role_escalation");
        self.call(&limited, &format!("POST {path}/resend"), NOTHING).await.refused(403, "role_escalation");
        self.call(owner, &format!("POST {path}/resend"), NOTHING).await.is(200);
        self.until_too_often(owner, &format!("POST {path}/resend"), NOTHING).await;
        self.until_too_often(owner, call, to("ivy@example.com", &viewer)).await;

        let made = self.call(owner, call, to("iris@example.com", &viewer)).await.is(201);
        let path = format!("/invitations/{}", made["id"].as_str().unwrap());
        let token = self.token(self.server, "iris@example.com", "invites you").await;
        let nobody = self.server.client();
        self.call(&nobody, "POST /invitations/lookup", json!({ "token": token })).await.is(200);
        self.call(owner, "GET /invitations", NOTHING).await.is(200);
        self.call(owner, "GET /invitations?cursor=x", NOTHING).await.refused(400, "invalid_cursor");
        self.call(owner, &format!("DELETE {path}"), NOTHING).await.is(204);
        self.call(owner, &format!("DELETE {path}"), NOTHING).await.refused(409, "invalid_state");
        self.call(owner, &format!("POST {path}/resend"), NOTHING).await.refused(409, "invalid_state");
        let gone = self.call(&nobody, "POST /invitations/lookup", json!({ "token": token })).await;
        gone.refused(422, "link_invalid");
    }

    async fn accepting(&self) {
        let tenant = self.server.verified_tenant("accepting").await;
        let (nobody, call) = (self.server.client(), "POST /invitations/accept");
        let accept = |token: &str, password: &str| json!({ "token": token, "password": password, "name": "Noor" });

        let token = self.invited(&tenant, "noor@example.com").await;
        self.call(&nobody, call, accept(&token, "noor2026!")).await.refused(422, "weak_password");
        self.call(&nobody, call, accept(&token, PASSWORD)).await.is(201);
        self.call(&nobody, call, accept(&token, PASSWORD)).await.refused(422, "link_invalid");

        let known = self.server.verified_tenant("known").await.owner;
        let token = self.invited(&tenant, &known.email).await;
        let wrong = self.call(&nobody, call, json!({ "token": token, "password": WRONG_PASSWORD })).await;
        self.fails_to_guess(self.server, "accept_invitation", wrong).await;
        self.call(&nobody, call, json!({ "token": token, "password": PASSWORD })).await.is(200);

        let signed_in = self.server.verified_tenant("signed-in").await.owner;
        let token = self.invited(&tenant, &signed_in.email).await;
        self.server.join(&tenant, &signed_in.email, "viewer").await;
        self.call(&signed_in, call, json!({ "token": token })).await.refused(409, "already_member");
        self.until_too_often(&nobody, call, json!({ "token": token, "password": WRONG_PASSWORD })).await;

        // Created by a user who never proved access to the mailbox.
        let squatter = self.server.tenant("squatter").await.owner;
        let token = self.invited(&tenant, &squatter.email).await;
        self.call(&nobody, call, accept(&token, OTHER_PASSWORD)).await.is(200);

        let token = self.invited(&tenant, "late@example.com").await;
        self.server.set_status(&tenant, TenantStatus::Suspended).await;
        self.call(&nobody, call, accept(&token, PASSWORD)).await.refused(403, "tenant_suspended");
    }

    async fn invited(&self, tenant: &Tenant, email: &str) -> String {
        let token = self.server.invite(tenant, email, "viewer").await.token().to_owned();
        self.keep_secrets(&[&token]);
        token
    }

    async fn cookie_of(&self, member: &Member, slug: &str) -> String {
        let body = json!({ "email": member.email, "password": PASSWORD, "tenantSlug": slug, "transport": "cookie" });
        let reply = self.call(&self.server.client(), "POST /auth/login", body).await;
        reply.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}
