//! Tests of the texts of failures. `support/contract.rs` checks in every test that failures reveal no internals.

use serde_json::{Value, json};

use crate::support::{Fixture, PASSWORD, routes::routes};

/// A value that no response may repeat.
const CANARY: &str = "canary-value-4711";

on_both_databases! {
    async fn in4_no_failure_repeats_what_it_refused(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let owner = &acme.tenant.owner;
        let nasty = [json!(CANARY.repeat(100)), json!(format!("{CANARY}\u{0}")), json!([CANARY]), json!({ CANARY: CANARY })];
        for route in routes().iter().filter(|route| route.body_schema().is_some()) {
            let path = route.path(&acme.ids_for(route));
            for name in route.body_schema().unwrap()["properties"].as_object().unwrap().keys() {
                for value in &nasty {
                    let mut body = acme.body_for(route).unwrap();
                    body[name] = value.clone();
                    let reply = route.ask(owner, &path, Some(body), &[]).await;
                    assert!(!reply.text.contains(CANARY), "{} {name}: {}", route.id, reply.text);
                    assert!(!reply.status.is_server_error(), "{} {name}: {}", route.id, reply.text);
                }
            }
        }
        for list in ["/users", "/roles", "/audit-logs"] {
            for parameter in ["limit", "cursor", "sort", "status", "action", "roleId", "actorId"] {
                let reply = owner.get(&format!("{list}?{parameter}={CANARY}%0a")).await;
                assert!(!reply.text.contains(CANARY), "{list} {parameter}: {}", reply.text);
            }
        }
    }

    async fn in4_what_the_database_refuses_is_told_in_our_words(server: Server) {
        let acme = server.tenant("acme").await;
        server.tenant("other").await;
        let owner = &acme.owner;
        let role = json!({ "name": "support", "permissions": [] });
        owner.post("/roles", role.clone()).await.is(201);
        let body = |email: &str, slug: &str| json!({ "email": email, "password": PASSWORD, "name": "A", "tenantName": "A", "tenantSlug": slug });
        for (reply, code, sentence) in [
            (owner.post("/roles", role).await, "role_name_taken", "Another role of the tenant has this name or one that looks the same. Choose another one."),
            (owner.patch("/tenant", json!({ "slug": "other" })).await, "slug_taken", "Another tenant has this slug. Choose another one."),
            (owner.post("/auth/register", body(&owner.email, "third")).await, "email_taken", "This email address already has an account. Sign in, or use another address."),
            (owner.post("/auth/register", body("a@example.com", "other")).await, "slug_taken", "Another tenant has this slug. Choose another one."),
        ] {
            let error = reply.refused(409, code);
            assert_eq!(error, json!({ "code": code, "message": sentence }));
        }
    }

    async fn in4_a_row_that_is_broken_is_a_fault_without_details(server: Server) {
        let owner = server.tenant("acme").await.owner;
        owner.post("/roles", json!({ "name": "support", "permissions": [] })).await.is(201);
        server.sql.execute("UPDATE roles SET name = '' WHERE name = 'support'").await;
        let error = owner.get("/roles").await.refused(500, "internal");
        assert_eq!(error["details"], Value::Null);
        owner.get("/auth/me").await.is(200);
    }
}
