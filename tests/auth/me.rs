//! Tests of `/auth/me`.

use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::support::PASSWORD;

on_both_databases! {
    async fn everybody_sees_who_they_are_and_what_they_may_do(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member_with(&acme, &["users:read", "audit:read"]).await;
        let reply = bob.get("/auth/me").await;
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.header("content-type"), "application/json");
        let me = reply.is(200);
        assert_eq!(me["user"]["id"], bob.id);
        assert_eq!(me["user"]["emailVerified"], false);
        assert_eq!(me["tenant"]["id"], acme.id);
        assert_eq!(me["tenant"]["status"], "active");
        let role = &me["roles"][0];
        let path = format!("/roles/{}", role["id"].as_str().unwrap());
        assert_eq!(acme.owner.get(&path).await.is(200)["name"], role["name"]);
        let permissions: Vec<&str> = me["permissions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(BTreeSet::from_iter(permissions), ["audit:read", "users:read"].into());
        let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(fields(&me), ["permissions", "roles", "session", "tenant", "user"].map(String::from).into());
        assert_eq!(fields(&me["user"]), ["createdAt", "email", "emailVerified", "id", "name"].map(String::from).into());
        assert_eq!(fields(&me["session"]), ["createdAt", "expiresAt", "id"].map(String::from).into());
    }

    async fn nobody_is_told_nothing(server: Server) {
        let reply = server.client().get("/auth/me").await;
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"tenantry\"");
        reply.refused(401, "unauthenticated");
        for value in ["", "Bearer", "Bearer ", "Basic YWRhOnB3", "Token x"] {
            let headers = [("authorization", value)];
            let reply = server.client().send(Method::GET, "/auth/me", None, &headers).await;
            assert_eq!(reply.status, 401, "{value:?}");
        }
    }

    async fn a_new_name_is_seen_everywhere_at_once(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        let before = bob.get("/auth/me").await.is(200);
        let changed = bob.patch("/auth/me", json!({ "name": "Zoë Zebra" })).await.is(200);
        assert_eq!(changed["name"], "Zoë Zebra");
        assert_eq!(bob.get("/auth/me").await.is(200)["user"], changed);
        let found = acme.owner.get("/users?q=zoë").await.is(200);
        assert_eq!(found[0]["id"], bob.id);
        let body = json!({ "email": bob.email, "password": PASSWORD });
        let home = server.client().post("/auth/login", body).await.is(200);
        let home = server.client().with_token(home["accessToken"].as_str().unwrap());
        assert_eq!(home.get("/users?q=zo").await.is(200)[0]["name"], "Zoë Zebra");
        let reply = bob.patch("/auth/me", json!({})).await;
        assert_eq!(server.sql.events_of(reply.request_id()).await, [], "nothing has changed");
        assert_ne!(before["user"], reply.is(200));
    }

    async fn a_change_goes_ahead_only_on_the_version_that_was_seen(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        let rename = async |name: &str, tag: &str| {
            owner.send(Method::PATCH, "/auth/me", Some(json!({ "name": name })), &[("if-match", tag)]).await
        };
        let first = owner.get("/auth/me").await.header("etag").to_owned();
        let reply = rename("Second", &first).await;
        let second = reply.header("etag").to_owned();
        reply.is(200);
        assert_ne!(second, first);
        assert_eq!(owner.get("/auth/me").await.header("etag"), second);
        for tag in [first.as_str(), "\"0\"", "W/\"0\"", "2", "\"x\""] {
            rename("Third", tag).await.refused(412, "version_conflict");
        }
        assert_eq!(owner.get("/auth/me").await.is(200)["user"]["name"], "Second");
        rename("Third", "*").await.is(200);
        owner.patch("/auth/me", json!({ "name": "Fourth" })).await.is(200);
    }

    async fn only_the_name_can_be_changed_and_not_cleared(server: Server) {
        let acme = server.tenant("acme").await;
        for (body, field) in [
            (json!({ "name": null }), "name"),
            (json!({ "name": "" }), "name"),
            (json!({ "name": " " }), "name"),
            (json!({ "name": "x".repeat(121) }), "name"),
            (json!({ "name": ["x"] }), "name"),
            (json!({ "email": "eve@example.com" }), "email"),
            (json!({ "id": acme.owner.id }), "id"),
            (json!({ "emailVerified": true }), "emailVerified"),
        ] {
            let error = acme.owner.patch("/auth/me", body.clone()).await.refused(422, "validation_failed");
            assert_eq!(error["details"][0]["field"], field, "{body}");
        }
        assert_eq!(acme.owner.get("/auth/me").await.is(200)["user"]["name"], "Olga Owner");
        acme.owner.patch("/auth/me", json!({ "name": "é".repeat(120) })).await.is(200);
    }
}
