//! A walk through the whole API: every operation succeeds, writes the events that it declares, and fails in every way
//! specific to it. The enumerations, the search for secrets in the log and other general checks use it.

mod mailed;

use reqwest::Method;
use serde_json::{Value, json};
use std::{sync::Mutex, time::Duration};
use tenantry_kernel::TenantStatus;

use super::{Client, Kind, PASSWORD, Record, Reply, Server, Settings, Tenant};

/// A valid password other than the default one of the tests.
const OTHER_PASSWORD: &str = "gizmo-fjords-blend-quickly";
/// A password that no user has.
const WRONG_PASSWORD: &str = "vexing-waltz-nymph-jumbled";
/// Consider the limits below: the walk must reach both, but not earlier than intended.
const REGISTRATIONS: usize = 60;
const GUESSES: usize = 4;

/// No body.
pub(crate) const NOTHING: Value = Value::Null;

/// A walk and its observations.
pub(crate) struct Walk<'a> {
    pub(crate) server: &'a Server,
    kind: Kind,
    pub(crate) record: Record,
    /// Every password and token that was sent or received.
    pub(crate) secrets: Mutex<Vec<String>>,
}

/// Returns the settings that the walk's server needs.
pub(crate) fn settings() -> Settings {
    Settings::default()
        .set("RATE_LIMITS", "on")
        .set("GUESS_PER_ACCOUNT_AND_ADDRESS", &format!("{GUESSES}/15m"))
        .set("GUESS_PER_ADDRESS", "10000/15m")
        .set("GUESS_PER_ACCOUNT", "10000/15m")
        .set("REGISTRATIONS_PER_ADDRESS", &format!("{REGISTRATIONS}/1h"))
        .set("MAIL_REQUESTS_PER_ADDRESS", "10000/1h")
        .set("MAX_FILE_SIZE", "64KiB")
        .set("STORAGE_PLANS_STARTER", "96KiB")
}

impl<'a> Walk<'a> {
    /// Walks through a server with these [`settings`].
    pub(crate) async fn through(server: &'a Server, kind: Kind) -> Self {
        let walk = Self { server, kind, record: Record::default(), secrets: Mutex::default() };
        let acme = server.tenant("acme").await;
        walk.keep_secrets(&[PASSWORD, OTHER_PASSWORD, WRONG_PASSWORD]);
        walk.registering().await;
        walk.signing_in(&acme).await;
        walk.refreshing(&acme).await;
        walk.signing_out(&acme).await;
        walk.own_affairs(&acme).await;
        walk.the_tenant(&acme).await;
        crate::walk(&walk, &acme).await;
        walk.by_mail(&acme).await;
        walk.reading(&acme).await;
        walk.too_often(&acme).await;
        walk
    }

    async fn registering(&self) {
        let nobody = self.server.client();
        let body = |email: &str, slug: &str, password: &str| json!({ "email": email, "password": password, "name": "Rita", "tenantName": "Rita's", "tenantSlug": slug });
        let call = "POST /auth/register";
        self.call(&nobody, call, body("rita@example.com", "ritas", OTHER_PASSWORD)).await.is(201);
        self.call(&nobody, call, body("rita@example.com", "other", OTHER_PASSWORD)).await.refused(409, "email_taken");
        self.call(&nobody, call, body("rosa@example.com", "ritas", OTHER_PASSWORD)).await.refused(409, "slug_taken");
        self.call(&nobody, call, body("rosa@example.com", "rosas", "rosas2026")).await.refused(422, "weak_password");
        let closed = Server::start(self.kind, settings().set("REGISTRATION", "closed")).await;
        let reply =
            self.call_at(&closed, &closed.client(), call, body("rosa@example.com", "rosas", OTHER_PASSWORD)).await;
        reply.refused(403, "registration_closed");
    }

    async fn signing_in(&self, acme: &Tenant) {
        let (nobody, call) = (self.server.client(), "POST /auth/login");
        let email = &acme.owner.email;
        let body = |password: &str| json!({ "email": email, "password": password, "tenantSlug": acme.slug });
        self.call(&nobody, call, body(PASSWORD)).await.is(200);
        let refused = self.call(&nobody, call, body(WRONG_PASSWORD)).await;
        let id = refused.request_id();
        refused.refused(401, "invalid_credentials");
        self.until(|| async { !self.server.sql.events_of(id).await.is_empty() }).await;
        self.record.note_events_of(self.server, "login", id).await;

        let closed = self.server.tenant("closed").await;
        self.server.set_status(&closed, TenantStatus::Suspended).await;
        let body = json!({ "email": closed.owner.email, "password": PASSWORD, "tenantSlug": closed.slug });
        self.call(&nobody, call, body).await.refused(403, "tenant_suspended");

        // The fifty-first session ends the first.
        let busy = self.server.tenant("busy").await;
        for _ in 0..50 {
            let body = json!({ "email": busy.owner.email, "password": PASSWORD });
            self.call(&nobody, call, body).await.is(200);
        }
        busy.owner.get("/auth/me").await.refused(401, "session_ended");
    }

    async fn refreshing(&self, acme: &Tenant) {
        let (nobody, call) = (self.server.client(), "POST /auth/refresh");
        let first = self.server.sign_in(&acme.owner.email, &acme.slug).await.refresh_token;
        let body = |token: &str| json!({ "refreshToken": token });
        let second = self.call(&nobody, call, body(&first)).await.is(200)["refreshToken"].clone();
        self.call(&nobody, call, body(second.as_str().unwrap())).await.is(200);
        self.call(&nobody, call, body(&first)).await.refused(401, "session_ended");
        self.call(&nobody, call, NOTHING).await.refused(401, "unauthenticated");
        self.call(&nobody, call, body("tr_forged")).await.refused(401, "token_invalid");

        let cookie = self.cookie(acme).await;
        let own = self.server.app.public_url.clone();
        self.call_with(&nobody, call, NOTHING, &[("cookie", &cookie)]).await.refused(403, "origin_not_allowed");
        self.call_with(&nobody, call, NOTHING, &[("cookie", &cookie), ("origin", &own)]).await.is(200);
    }

    async fn signing_out(&self, acme: &Tenant) {
        let (nobody, call) = (self.server.client(), "POST /auth/logout");
        let cookie = self.cookie(acme).await;
        self.call_with(&nobody, call, NOTHING, &[("cookie", &cookie)]).await.refused(403, "origin_not_allowed");
        let somebody = self.server.sign_in(&acme.owner.email, &acme.slug).await;
        self.call(&somebody, "POST /auth/logout?siblings=true", NOTHING).await.is(204);
        self.call(&nobody, call, json!({ "refreshToken": somebody.refresh_token })).await.is(204);
    }

    async fn own_affairs(&self, acme: &Tenant) {
        let email = &acme.owner.email;
        let own = self.server.sign_in(email, &acme.slug).await;
        self.call(&own, "GET /auth/me", NOTHING).await.is(200);
        self.call(&own, "PATCH /auth/me", json!({ "name": "Olga the Owner" })).await.is(200);
        self.call(&own, "GET /auth/sessions", NOTHING).await.is(200);
        let other = self.server.sign_in(email, &acme.slug).await.session_id().await;
        self.call(&own, &format!("DELETE /auth/sessions/{other}"), NOTHING).await.is(204);

        let person = self.server.tenant("person").await.owner;
        self.server.sign_in(&person.email, "person").await;
        self.call(&person, "DELETE /auth/sessions?scope=others", NOTHING).await.is(204);
        self.server.sign_in(&person.email, "person").await;
        let call = "POST /auth/password/change";
        let body = |current: &str, new: &str| json!({ "currentPassword": current, "newPassword": new });
        self.call(&person, call, body(PASSWORD, "password123")).await.refused(422, "weak_password");
        self.call(&person, call, body(PASSWORD, OTHER_PASSWORD)).await.is(204);
        for _ in 0..GUESSES {
            self.call(&person, call, body(WRONG_PASSWORD, PASSWORD)).await.refused(401, "invalid_credentials");
        }
        self.call(&person, call, body(WRONG_PASSWORD, PASSWORD)).await.refused(429, "rate_limited");
    }

    async fn the_tenant(&self, acme: &Tenant) {
        let owner = &acme.owner;
        self.call(owner, "GET /tenant", NOTHING).await.is(200);
        self.call(owner, "PATCH /tenant", json!({ "name": "Acme & Co." })).await.is(200);
        self.call(owner, "PATCH /tenant", json!({ "slug": "ritas" })).await.refused(409, "slug_taken");
    }

    async fn reading(&self, acme: &Tenant) {
        let owner = &acme.owner;
        for list in ["/users", "/roles", "/audit-logs"] {
            let first = self.call(owner, &format!("GET {list}"), NOTHING).await.is(200)[0]["id"].clone();
            self.call(owner, &format!("GET {list}/{}", first.as_str().unwrap()), NOTHING).await.is(200);
            self.call(owner, &format!("GET {list}?cursor=x"), NOTHING).await.refused(400, "invalid_cursor");
        }
        self.call(owner, "GET /audit-logs/export?format=csv&outcome=denied", NOTHING).await.is(200);
        self.call(owner, "GET /audit-logs/seals", NOTHING).await.is(200);
        self.call(owner, "GET /audit-logs/seals?cursor=x", NOTHING).await.refused(400, "invalid_cursor");
        self.call(owner, "GET /audit-logs/policy", NOTHING).await.is(200);
        self.call(owner, "PATCH /audit-logs/policy", json!({ "retentionDays": 400 })).await.is(200);
        self.call(owner, "GET /permissions", NOTHING).await.is(200);
        self.call(owner, "POST /permissions/check", json!({ "permissions": ["audit:read"] })).await.is(200);
        let nobody = self.server.client();
        for path in ["//livez", "//readyz", "//health", "//.well-known/jwks.json"] {
            self.call(&nobody, &format!("GET {path}"), NOTHING).await;
        }
    }

    async fn too_often(&self, acme: &Tenant) {
        let nobody = self.server.client();
        let guess = json!({ "email": "nobody@example.com", "password": WRONG_PASSWORD, "tenantSlug": acme.slug });
        for _ in 0..GUESSES {
            self.call(&nobody, "POST /auth/login", guess.clone()).await.refused(401, "invalid_credentials");
        }
        self.call(&nobody, "POST /auth/login", guess).await.refused(429, "rate_limited");
        for n in 0..=REGISTRATIONS {
            let email = format!("bot{n}@example.com");
            let body = json!({ "email": email, "password": OTHER_PASSWORD, "name": "Bot", "tenantName": "Bots" });
            let reply = self.call(&nobody, "POST /auth/register", body).await;
            if reply.status != 201 {
                reply.refused(429, "rate_limited");
                let more = self.call(&acme.owner, "POST /tenants", json!({ "name": "One More" })).await;
                more.refused(429, "rate_limited");
                return;
            }
        }
        panic!("nothing stops the bots");
    }

    /// Signs in with the cookie and returns it as a browser sends it.
    async fn cookie(&self, acme: &Tenant) -> String {
        let body = json!({
            "email": acme.owner.email, "password": PASSWORD, "tenantSlug": acme.slug, "transport": "cookie"
        });
        let reply = self.call(&self.server.client(), "POST /auth/login", body).await;
        reply.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    pub(crate) async fn call(&self, client: &Client, call: &str, body: Value) -> Reply {
        self.call_with(client, call, body, &[]).await
    }

    /// Sends a request, written as method and path.
    pub(crate) async fn call_with(&self, client: &Client, call: &str, body: Value, headers: &[(&str, &str)]) -> Reply {
        self.request(self.server, client, call, body, headers).await
    }

    /// Sends a request to another server than the walk's own.
    async fn call_at(&self, server: &Server, client: &Client, call: &str, body: Value) -> Reply {
        self.request(server, client, call, body, &[]).await
    }

    async fn request(
        &self,
        server: &Server,
        client: &Client,
        call: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Reply {
        let (method, path) = call.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let body = if body.is_null() { None } else { Some(body) };
        let reply = client.send(method, path, body, headers).await;
        self.note(server, client, reply).await
    }

    /// Records the observations of a response.
    pub(crate) async fn note(&self, server: &Server, client: &Client, reply: Reply) -> Reply {
        self.record.note(&reply);
        self.record.note_events(server, &reply).await;
        for name in ["accessToken", "refreshToken"] {
            self.keep_secrets(reply.body["data"][name].as_str().as_slice());
        }
        if let Some((_, value)) = reply.header("set-cookie").split(';').next().unwrap_or_default().split_once('=') {
            self.keep_secrets(&[value]);
        }
        self.keep_secrets(client.access_token.as_deref().as_slice());
        reply
    }

    pub(crate) fn keep_secrets(&self, secrets: &[&str]) {
        let kept = secrets.iter().filter(|secret| !secret.is_empty()).map(|secret| (*secret).to_owned());
        self.secrets.lock().unwrap().extend(kept);
    }

    /// Waits until the condition holds.
    async fn until<F: Future<Output = bool>>(&self, is_so: impl Fn() -> F) {
        for _ in 0..400 {
            if is_so().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not become so");
    }
}

/// Returns the path of the tenant's role of that name.
pub(crate) async fn role_path(tenant: &Tenant, name: &str) -> String {
    let roles = tenant.owner.get("/roles?limit=100").await.is(200);
    let found = roles.as_array().unwrap().iter().find(|role| role["name"] == name).unwrap();
    format!("/roles/{}", found["id"].as_str().unwrap())
}
