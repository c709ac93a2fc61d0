//! Tests of `POST /auth/login`.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use tenantry_kernel::TenantStatus;
use tenantry_store::{Scope, SystemReason};

use crate::support::{Client, PASSWORD, Reply, Server, eventually};

async fn try_to(client: &Client, email: &str, password: &str, slug: Option<&str>) -> Reply {
    let mut body = json!({ "email": email, "password": password });
    if let Some(slug) = slug {
        body["tenantSlug"] = json!(slug);
    }
    client.post("/auth/login", body).await
}

/// Removes all users from the tenants that they registered with.
async fn close_homes(server: &Server) {
    let homes = "(SELECT id FROM tenants WHERE slug LIKE 'home-%')";
    for table in ["membership_roles", "memberships"] {
        server.sql.execute(&format!("DELETE FROM {table} WHERE tenant_id IN {homes}")).await;
    }
}

/// Returns everything by which a stranger can distinguish responses: all but the request id and the time.
fn looks(reply: &Reply) -> (u16, Value, BTreeSet<String>) {
    let mut body = reply.body.clone();
    assert!(body.as_object_mut().unwrap().remove("requestId").is_some());
    let secret = ["x-request-id", "date"];
    let headers = reply.headers.iter().filter(|(name, _)| !secret.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    (reply.status.as_u16(), body, headers)
}

on_both_databases! {
    async fn signing_in_answers_who_where_and_where_else(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        let data = try_to(&server.client(), &format!(" {} ", bob.email.to_uppercase()), PASSWORD, Some("acme")).await;
        let data = data.is(200);
        let keys: BTreeSet<&str> = data.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = ["accessToken", "expiresIn", "refreshToken", "tenant", "tenants", "tokenType", "user"];
        assert_eq!(keys, expected.into());
        let client = server.client().with_token(data["accessToken"].as_str().unwrap());
        let me = client.get("/auth/me").await.is(200);
        assert_eq!((&data["user"], &data["tenant"]), (&me["user"], &me["tenant"]));
        assert_eq!(data["tenant"]["id"], acme.id);
        let tenants = data["tenants"].as_array().unwrap();
        assert_eq!(tenants.len(), 2);
        let acme_reference = json!({ "id": acme.id, "name": "acme", "slug": "acme" });
        assert!(tenants.contains(&acme_reference), "{tenants:?}");
    }

    async fn si1_nothing_tells_who_is_known_where(server: Server) {
        let acme = server.tenant("acme").await;
        let other = server.tenant("other").await;
        let [out, off] = [server.member(&acme, "member").await, server.member(&acme, "member").await];
        let body = json!({ "status": "deactivated" });
        acme.owner.patch(&format!("/users/{}", out.id), body).await.is(200);
        server.disable(&off).await;
        let owner = acme.owner.email.as_str();
        let mut answers = Vec::new();
        for (what, email, password, slug) in [
            ("a wrong password", owner, "wrong-wrong-wrong", None),
            ("a wrong password, right tenant", owner, "wrong-wrong-wrong", Some("acme")),
            ("an unknown address", "nobody@acme.example", PASSWORD, None),
            ("an unknown address, a known tenant", "nobody@acme.example", PASSWORD, Some("acme")),
            ("a disabled person", off.email.as_str(), PASSWORD, None),
            ("a disabled person, right tenant", off.email.as_str(), PASSWORD, Some("acme")),
            ("a disabled person's wrong password", off.email.as_str(), "wrong-wrong-wrong", None),
            ("a deactivated membership", out.email.as_str(), PASSWORD, Some("acme")),
            ("another user's tenant", owner, PASSWORD, Some(other.slug.as_str())),
            ("an unknown tenant", owner, PASSWORD, Some("nowhere")),
            ("no slug at all", owner, PASSWORD, Some("No Slug!")),
            ("a password too short to be one", owner, "short", None),
            ("a password too long to be one", "nobody@acme.example", &"x".repeat(200), None),
        ] {
            answers.push((what, looks(&try_to(&server.client(), email, password, slug).await)));
        }
        let (_, first) = answers[0].clone();
        assert_eq!((first.0, &first.1["error"]["code"]), (401, &json!("invalid_credentials")));
        for (what, answer) in answers {
            assert_eq!(answer, first, "{what}");
        }
        try_to(&server.client(), owner, PASSWORD, Some("acme")).await.is(200);
    }

    async fn a_failed_sign_in_is_noted_where_success_would_have_led(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        try_to(&server.client(), &owner.email, "wrong-wrong-wrong", None).await.refused(401, "invalid_credentials");
        eventually("the failure is in the tenant's log", async || {
            let entries = owner.get("/audit-logs?action=sign_in.failed").await.is(200);
            entries.as_array().unwrap().iter().any(|e| e["outcome"] == "failed" && e["target"]["id"] == owner.id)
        })
        .await;
    }

    async fn without_a_slug_the_tenant_used_last_is_entered(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        let home = try_to(&server.client(), &bob.email, PASSWORD, None).await.is(200)["tenant"]["slug"].clone();
        let long_ago = "UPDATE memberships SET joined_at = '2020-01-01 00:00:00+00:00'";
        server.sql.execute(long_ago).await;
        for used in ["acme", home.as_str().unwrap(), "acme"] {
            server.sql.execute("UPDATE memberships SET last_seen_at = NULL").await;
            let member = server.sign_in(&bob.email, used).await;
            let session = member.session_id().await.parse().unwrap();
            let mut unit = server.app.store.begin(Scope::System(SystemReason::Usage)).await.unwrap();
            unit.note_use(&[session], server.app.context.now()).await.unwrap();
            unit.commit().await.unwrap();
            let data = try_to(&server.client(), &bob.email, PASSWORD, None).await.is(200);
            assert_eq!(data["tenant"]["slug"], used);
        }
    }

    async fn somebody_in_no_tenant_signs_in_to_none(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        close_homes(&server).await;
        acme.owner.delete(&format!("/users/{}", bob.id)).await.is(204);
        let data = try_to(&server.client(), &bob.email, PASSWORD, None).await.is(200);
        assert_eq!((&data["tenant"], &data["tenants"]), (&Value::Null, &json!([])));
        let bob = server.client().with_token(data["accessToken"].as_str().unwrap());
        let me = bob.get("/auth/me").await.is(200);
        assert_eq!((&me["tenant"], &me["roles"], &me["permissions"]), (&Value::Null, &json!([]), &json!([])));
        for path in ["/tenant", "/users", "/roles", "/audit-logs"] {
            bob.get(path).await.refused(403, "tenant_required");
        }
        bob.post("/roles", json!({ "name": "x", "permissions": [] })).await.refused(403, "tenant_required");
        assert_eq!(bob.get("/auth/sessions").await.is(200)[0]["tenant"], Value::Null);
        bob.patch("/auth/me", json!({ "name": "Bob Alone" })).await.is(200);
        let body = json!({ "currentPassword": PASSWORD, "newPassword": "another-vivid-plank-8" });
        bob.post("/auth/password/change", body).await.is(204);
        server.client().post("/auth/refresh", json!({ "refreshToken": data["refreshToken"] })).await.is(200);
        bob.post("/auth/logout", json!({})).await.is(204);
        bob.get("/auth/me").await.refused(401, "session_ended");
    }

    async fn a_suspended_tenant_is_said_after_the_right_password_only(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        server.set_status(&acme, TenantStatus::Suspended).await;
        let client = server.client();
        try_to(&client, &bob.email, PASSWORD, Some("acme")).await.refused(403, "tenant_suspended");
        try_to(&client, &bob.email, "wrong-wrong-wrong", Some("acme")).await.refused(401, "invalid_credentials");
        try_to(&client, "nobody@acme.example", PASSWORD, Some("acme")).await.refused(401, "invalid_credentials");
        let elsewhere = try_to(&client, &bob.email, PASSWORD, None).await.is(200);
        assert!(elsewhere["tenant"]["slug"].as_str().unwrap().starts_with("home-"));
        let nowhere = try_to(&client, &acme.owner.email, PASSWORD, None).await.is(200);
        assert_eq!(nowhere["tenant"], Value::Null);
        server.set_status(&acme, TenantStatus::Active).await;
        try_to(&client, &bob.email, PASSWORD, Some("acme")).await.is(200);
    }
}

on_both_databases! {
    settings (PUBLIC_URL = "http://api.tenantry.test");

    async fn a_kept_hash_is_made_anew_at_sign_in_when_parameters_rise(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = acme.owner;
        let hashes = "SELECT hash FROM credentials";
        let before = server.sql.texts(hashes).await;
        assert!(before[0].starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{before:?}");
        let server = server.restart(settings!(ARGON2_MEMORY_KIB = "32", ARGON2_ITERATIONS = "2")).await;
        try_to(&server.client(), &owner.email, "wrong-wrong-wrong", None).await.refused(401, "invalid_credentials");
        assert_eq!(server.sql.texts(hashes).await, before);
        try_to(&server.client(), &owner.email, PASSWORD, None).await.is(200);
        let after = server.sql.texts(hashes).await;
        assert!(after[0].starts_with("$argon2id$v=19$m=32,t=2,p=1$"), "{after:?}");
        try_to(&server.client(), &owner.email, PASSWORD, None).await.is(200);
        assert_eq!(server.sql.texts(hashes).await, after, "once is enough");
        let earlier = server.client().with_token(owner.access_token.as_deref().unwrap());
        earlier.get("/auth/me").await.is(200);
        assert_eq!(server.sql.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 3);
    }
}
