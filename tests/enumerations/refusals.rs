//! The refusals that follow from an operation's shape: its callers, its body and the required version.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;
use std::time::Duration;
use tenantry_crypto::{JwtTokens, SigningKeys, SystemEntropy};
use tenantry_identity::{AccessClaims, AccessTokens};
use tenantry_kernel::TenantStatus;

use crate::support::{
    Client, Fixture, Kind, Record, Server, Settings, Wire,
    routes::{Route, routes},
};

/// Callers that every operation refuses, whatever the request.
struct Callers {
    nobody: Client,
    forger: Client,
    late: Client,
    gone: Client,
    without_tenant: Client,
    suspended: Client,
    powerless: Client,
}

/// Causes every refusal that an operation's shape implies, and records it.
pub(crate) async fn of_every_shape(kind: Kind, record: &Record) {
    let key = SigningKeys::generate_one(&SystemEntropy);
    let server = Server::start(kind, Settings::default().set("SIGNING_KEYS", key.expose_secret())).await;
    let acme = Fixture::of(&server, "acme").await;
    let keys = SigningKeys::parse(&[key]).unwrap();
    let callers = Callers::of(&server, &acme, keys).await;
    for route in routes() {
        let one = OneRoute { server: &server, record, acme: &acme, route };
        if route.is_public() {
            one.refuses_bad_tokens(&callers).await;
        } else {
            one.refuses_callers(&callers).await;
        }
        one.refuses_what_does_not_fit().await;
    }
}

impl Callers {
    async fn of(server: &Server, acme: &Fixture, keys: SigningKeys) -> Self {
        let gone = server.sign_in(&acme.tenant.owner.email, "acme").await;
        gone.post("/auth/logout", json!({})).await.is(204);
        let closed = server.tenant("closed").await;
        server.set_status(&closed, TenantStatus::Suspended).await;
        let url = server.app.public_url.clone();
        let now = server.app.context.now().unix_seconds();
        let late = JwtTokens::new(keys, url.clone(), url).sign(&AccessClaims {
            user: acme.tenant.owner.id.parse().unwrap(),
            session: acme.id_for("end_session").parse().unwrap(),
            tenant: acme.tenant.id.parse().ok(),
            rotation: 0,
            token: server.app.context.uuid_v7(),
            issued_at: now - 901,
            expires_at: now - 1,
        });
        Self {
            nobody: server.client(),
            forger: server.client().with_token("forged"),
            late: server.client().with_token(late.expose_secret()),
            gone: gone.client,
            without_tenant: server.without_tenant().await.client,
            suspended: closed.owner.client,
            powerless: server.member_with(&acme.tenant, &[]).await.client,
        }
    }
}

/// One operation, called on the fixture.
struct OneRoute<'a> {
    server: &'a Server,
    record: &'a Record,
    acme: &'a Fixture,
    route: &'a Route,
}

impl OneRoute<'_> {
    async fn refuses_callers(&self, callers: &Callers) {
        self.try_as(&callers.nobody, "unauthenticated").await;
        self.try_as(&callers.forger, "token_invalid").await;
        self.try_as(&callers.late, "token_expired").await;
        self.try_as(&callers.gone, "session_ended").await;
        for (caller, code) in [
            (&callers.without_tenant, "tenant_required"),
            (&callers.suspended, "tenant_suspended"),
            (&callers.powerless, "permission_denied"),
        ] {
            let is_own_affair = self.route.shape["x-requires"] == json!({ "signedIn": true });
            if !is_own_affair && self.route.documented_codes().contains(code) {
                self.try_as(caller, code).await;
            }
        }
    }

    /// Checks that callers without a session may call it, but not with an invalid token, where it takes one.
    async fn refuses_bad_tokens(&self, callers: &Callers) {
        if self.route.documented_codes().contains("token_expired") {
            self.try_as(&callers.forger, "token_invalid").await;
            self.try_as(&callers.late, "token_expired").await;
            self.try_as(&callers.gone, "session_ended").await;
        }
    }

    async fn refuses_what_does_not_fit(&self) {
        let owner = &self.acme.tenant.owner;
        let parameters = || self.route.shape["parameters"].as_array().into_iter().flatten();
        let places: Vec<&str> = parameters().map(|p| p["in"].as_str().unwrap()).collect();
        let headers: Vec<&str> = parameters().map(|p| p["name"].as_str().unwrap()).collect();
        if self.route.body_schema().is_some() {
            let json = ("content-type", "application/json");
            self.raw(&[json], "{", 400, "malformed_body").await;
            self.raw(&[("content-type", "text/plain")], "{}", 415, "unsupported_media_type").await;
            self.raw(&[json], "{\"zzz\":1}", 422, "validation_failed").await;
            self.too_large().await;
        }
        if places.contains(&"query") || self.route.operation().refuses_query() {
            let (path, separator) = (self.path(), if self.path().contains('?') { '&' } else { '?' });
            let reply = self.route.ask(owner, &format!("{path}{separator}zzz=1"), None, &[]).await;
            self.record.note(&reply);
            let error = reply.refused(422, "validation_failed");
            assert_eq!(
                (&error["details"][0]["field"], &error["details"][0]["code"]),
                (&json!("zzz"), &json!("unknown"))
            );
        }
        if places.contains(&"path") {
            let body = self.acme.body_for(self.route);
            let reply = self.route.ask(owner, &self.route.unknown_path(), body, &[]).await;
            self.record.note(&reply);
            reply.refused(404, "not_found");
        }
        if headers.contains(&"Idempotency-Key") {
            let body = self.acme.body_for(self.route);
            let reply = self.route.ask(owner, &self.path(), body, &[("idempotency-key", "two words")]).await;
            self.record.note(&reply);
            reply.refused(400, "idempotency_key_invalid");
        }
        if headers.contains(&"If-Match") {
            let body = self.acme.body_for(self.route);
            let reply = self.route.ask(owner, &self.path(), body, &[("if-match", "\"999\"")]).await;
            self.record.note(&reply);
            reply.refused(412, "version_conflict");
        }
    }

    fn path(&self) -> String {
        self.route.path(&self.acme.ids_for(self.route))
    }

    async fn try_as(&self, caller: &Client, code: &str) {
        let reply = self.route.ask(caller, &self.path(), self.acme.body_for(self.route), &[]).await;
        self.record.note(&reply);
        let status = reply.status.as_u16();
        reply.refused(status, code);
    }

    async fn raw(&self, headers: &[(&str, &str)], body: &'static str, status: u16, code: &str) {
        let path = self.path();
        let request = self.acme.tenant.owner.raw(self.route.method.clone(), &path).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let reply = self.server.client().finish(request, &self.route.method, &format!("/api/v1{path}")).await;
        self.record.note(&reply);
        reply.refused(status, code);
    }

    async fn too_large(&self) {
        assert_ne!(self.route.method, Method::GET);
        let token = self.acme.tenant.owner.access_token.clone().unwrap();
        let mut wire = Wire::to(self.server).await;
        let (method, path) = (&self.route.method, self.path());
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n"
        );
        wire.send(head.as_bytes()).await;
        let heard = wire.answer(Duration::from_secs(5)).await;
        assert_eq!(
            (heard.status, &heard.body["error"]["code"]),
            (413, &json!("payload_too_large")),
            "{}",
            self.route.id
        );
        self.record.note_code(self.route.id, "payload_too_large");
    }
}
