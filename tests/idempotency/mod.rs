//! Tests of requests that are repeated with their `Idempotency-Key`.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Client, Fixture, PASSWORD, Reply, routes::routes};

mod parallel;

/// Sends a request with a key.
async fn ask(client: &Client, method: Method, path: &str, body: Option<Value>, key: &str) -> Reply {
    client.send(method, path, body, &[("idempotency-key", key)]).await
}

async fn make_role(client: &Client, name: &str, key: &str) -> Reply {
    ask(client, Method::POST, "/roles", Some(json!({ "name": name, "permissions": [] })), key).await
}

/// Checks that the second response repeats the first, byte for byte.
#[track_caller]
fn assert_replayed(first: &Reply, second: &Reply) {
    assert_eq!(first.header("idempotency-replayed"), "", "{}", first.text);
    assert_eq!((second.status, &second.text), (first.status, &first.text));
    assert_eq!(second.header("idempotency-replayed"), "true");
    for name in ["location", "etag", "content-type"] {
        assert_eq!(second.header(name), first.header(name), "{name}");
    }
    assert_ne!(first.request_id(), second.request_id(), "each is a request of its own");
}

on_both_databases! {
    async fn the_same_request_is_done_once_and_answered_alike(server: Server) {
        let tenant = server.tenant("acme").await;
        let first = make_role(&tenant.owner, "support", "k1").await;
        let dump = server.sql.dump().await;
        // Another session of the same user counts as the same caller.
        let again = server.sign_in(&tenant.owner.email, "acme").await;
        let roles = async || tenant.owner.get("/roles?limit=100").await.is(200);
        let before = roles().await;
        for client in [&tenant.owner.client, &again.client] {
            assert_replayed(&first, &make_role(client, "support", "k1").await);
        }
        assert_eq!(roles().await, before);
        let after = server.sql.dump().await;
        for table in ["roles", "answers"] {
            assert_eq!(after[table], dump[table], "{table}");
        }
        let made = "SELECT count(*) FROM journal WHERE action = 'role.created'";
        assert_eq!(server.sql.number(made).await, 1);
        make_role(&tenant.owner, "sales", "k2").await.is(201);
        make_role(&tenant.owner, "sales", "k3").await.refused(409, "role_name_taken");
    }

    async fn every_operation_that_takes_a_key_is_done_once(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let mut done = Vec::new();
        for route in routes() {
            let parameters = route.shape["parameters"].as_array().cloned().unwrap_or_default();
            let takes_key = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
            // Requests that leave the tenant, or hand it over, come last.
            if !takes_key || matches!(route.id, "leave_tenant" | "transfer_tenant") {
                continue;
            }
            let (path, body) = (route.path(&acme.ids_for(route)), acme.body_for(route));
            let owner = &acme.tenant.owner;
            let first = ask(owner, route.method.clone(), &path, body.clone(), "once").await;
            if !first.status.is_success() {
                continue;
            }
            let before = server.sql.dump().await;
            let second = ask(owner, route.method.clone(), &path, body, "once").await;
            if route.operation().contract.events.is_empty() && second.header("idempotency-replayed").is_empty() {
                continue;
            }
            assert_replayed(&first, &second);
            let mut after = server.sql.dump().await;
            // A right guess leaves its counter, at zero.
            after.insert("attempts".to_owned(), before["attempts"].clone());
            assert_eq!(after, before, "{} was done twice", route.id);
            done.push(route.id);
        }
        assert!(done.len() >= 8, "{done:?}");
    }

    async fn a_key_is_good_for_one_request_only(server: Server) {
        let tenant = server.tenant("acme").await;
        let owner = &tenant.owner;
        let role = make_role(owner, "support", "k").await.is(201);
        let other = make_role(owner, "sales", "other").await.is(201);
        make_role(owner, "purchase", "k").await.refused(422, "idempotency_mismatch");
        let wide = json!({ "name": "support", "permissions": ["users:read"] });
        ask(owner, Method::POST, "/roles", Some(wide), "k").await.refused(422, "idempotency_mismatch");

        let [path, other] = [&role, &other].map(|role| format!("/roles/{}", role["id"].as_str().unwrap()));
        let patch = Some(json!({ "description": "helps" }));
        // The same key on another route is another key.
        ask(owner, Method::PATCH, &path, patch.clone(), "k").await.is(200);
        ask(owner, Method::PATCH, &other, patch.clone(), "k").await.refused(422, "idempotency_mismatch");
        let headers = [("idempotency-key", "k"), ("if-match", "\"1\"")];
        owner.send(Method::PATCH, &path, patch.clone(), &headers).await.refused(422, "idempotency_mismatch");
        assert_eq!(ask(owner, Method::PATCH, &path, patch, "k").await.header("idempotency-replayed"), "true");
    }

    async fn a_failed_request_is_retried(server: Server) {
        let tenant = server.tenant("acme").await;
        let owner = &tenant.owner;
        let taken = make_role(owner, "support", "first").await.is(201);
        make_role(owner, "Support", "k").await.refused(409, "role_name_taken");
        owner.delete(&format!("/roles/{}", taken["id"].as_str().unwrap())).await.is(204);
        make_role(owner, "Support", "k").await.is(201);
        assert_eq!(make_role(owner, "Support", "k").await.header("idempotency-replayed"), "true");
    }

    async fn whoever_has_lost_the_right_hears_nothing_again(server: Server) {
        let tenant = server.tenant("acme").await;
        let limited = server.member_with(&tenant, &["roles:create"]).await;
        make_role(&limited, "support", "k").await.is(201);
        let roles = format!("/users/{}/roles", limited.id);
        tenant.owner.put(&roles, json!({ "roleIds": [] })).await.is(200);
        make_role(&limited, "support", "k").await.refused(403, "permission_denied");
    }

    async fn te5_the_same_key_of_others_is_another_key(server: Server) {
        let (acme, globex) = (server.tenant("acme").await, server.tenant("globex").await);
        let limited = server.member_with(&acme, &["roles:create"]).await;
        make_role(&acme.owner, "support", "k").await.is(201);
        let theirs = make_role(&globex.owner, "support", "k").await;
        assert_eq!(theirs.header("idempotency-replayed"), "");
        theirs.is(201);
        // A caller never gets the response to a colleague's request.
        make_role(&limited, "support", "k").await.refused(409, "role_name_taken");
        make_role(&limited, "clerks", "k").await.is(201);
        // Nor to the same user's request in another tenant.
        server.join(&globex, &acme.owner.email, "admin").await;
        let there = server.sign_in(&acme.owner.email, "globex").await;
        make_role(&there, "support", "k").await.refused(409, "role_name_taken");
    }

    async fn tk3_a_key_is_no_word_of_power_and_has_one_place(server: Server) {
        let tenant = server.tenant("acme").await;
        let owner = &tenant.owner;
        let long = "k".repeat(256);
        for key in ["", " ", "two words", &long] {
            let body = Some(json!({ "name": "support", "permissions": [] }));
            ask(owner, Method::POST, "/roles", body, key).await.refused(400, "idempotency_key_invalid");
        }
        let twice = owner.raw(Method::POST, "/roles").header("idempotency-key", "a").header("idempotency-key", "b");
        let twice = twice.json(&json!({ "name": "support", "permissions": [] }));
        owner.finish(twice, &Method::POST, "/api/v1/roles").await.refused(400, "idempotency_key_invalid");
        // Operations that take no key refuse it before it has any effect.
        for (method, path) in [
            (Method::POST, "/auth/login"),
            (Method::POST, "/auth/refresh"),
            (Method::POST, "/auth/switch"),
            (Method::POST, "/auth/switc%68"),
        ] {
            let request = owner.raw(method.clone(), path).header("idempotency-key", "k");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 400, "{method} {path}");
            let error: Value = answer.json().await.unwrap();
            assert_eq!(error["error"]["code"], "idempotency_key_invalid", "{method} {path}");
        }
        // The caller is authenticated before the key is checked.
        server.client().send(Method::POST, "/auth/switch", None, &[("idempotency-key", "k")]).await.refused(401, "unauthenticated");
        // A replay checks the caller first.
        make_role(owner, "support", "k").await.is(201);
        make_role(&server.client(), "support", "k").await.refused(401, "unauthenticated");
        make_role(&owner.with_token("k"), "support", "k").await.refused(401, "token_invalid");
    }

    async fn a_key_changes_nothing_where_the_method_is_idempotent(server: Server) {
        let tenant = server.tenant("acme").await;
        let owner = &tenant.owner;
        let role = make_role(owner, "support", "first").await.is(201);
        let (role, body) = (format!("/roles/{}", role["id"].as_str().unwrap()), json!({ "roleIds": [role["id"]] }));
        let member = server.member(&tenant, "viewer").await;
        let roles = format!("/users/{}/roles", member.id);
        for key in ["k", "two words", ""] {
            ask(owner, Method::GET, "/roles", None, key).await.is(200);
            ask(&server.client(), Method::GET, "/auth/me", None, key).await.refused(401, "unauthenticated");
            let member = ask(owner, Method::PUT, &roles, Some(body.clone()), key).await;
            assert_eq!(member.header("idempotency-replayed"), "");
            member.is(200);
            ask(owner, Method::PUT, &roles, Some(json!({ "roleIds": [] })), key).await.is(200);
        }
        ask(owner, Method::DELETE, &role, None, "k").await.is(204);
        ask(owner, Method::DELETE, &role, None, "k").await.refused(404, "not_found");
        assert_eq!(server.sql.number("SELECT count(*) FROM answers").await, 1, "of the first role alone");
    }

    async fn what_is_kept_gives_no_password_away(server: Server) {
        let tenant = server.tenant("acme").await;
        let new = "violet-anchor-maple-9";
        let body = json!({ "currentPassword": PASSWORD, "newPassword": new });
        for replayed in ["", "true"] {
            let changed = ask(&tenant.owner, Method::POST, "/auth/password/change", Some(body.clone()), "k").await;
            assert_eq!((changed.status.as_u16(), changed.header("idempotency-replayed")), (204, replayed));
        }
        assert_eq!(server.sql.number("SELECT count(*) FROM answers").await, 1);
        let bare = format!("{:x}", Sha256::digest(body.to_string()));
        for row in server.sql.dump().await.into_values().flatten() {
            let row = row.to_lowercase();
            assert!(!row.contains(PASSWORD) && !row.contains(new) && !row.contains(&bare), "{row}");
        }
    }
}
