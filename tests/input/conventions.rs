use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Fixture, Member, PASSWORD,
    routes::{Route, UNKNOWN_ID, routes},
};

/// Collects every text that is a time, with its path.
fn moments(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
            Value::String(text) if name.ends_with("At") => found.push((format!("{path}.{name}"), text.clone())),
            value => moments(value, &format!("{path}.{name}"), found),
        }),
        Value::Array(items) => items.iter().for_each(|item| moments(item, path, found)),
        _ => {}
    }
}

/// Checks that a body, sent as text, is refused for one field.
async fn misfits(member: &Member, method: Method, path: &str, cases: &[(&str, &str, &str)]) {
    for (body, field, code) in cases {
        let request =
            member.raw(method.clone(), path).header("content-type", "application/json").body((*body).to_owned());
        let reply = member.finish(request, &method, &format!("/api/v1{path}")).await;
        let error = reply.refused(422, "validation_failed");
        let details: Vec<_> = error["details"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| (d["field"].as_str().unwrap(), d["code"].as_str().unwrap()))
            .collect();
        assert!(details.contains(&(*field, *code)), "{method} {path} {body}: {details:?}");
    }
}

on_both_databases! {
    async fn null_in_a_post_is_absence(server: Server) {
        let acme = server.tenant("acme").await;
        let mut fields = 0;
        for route in routes().iter().filter(|route| route.method == Method::POST) {
            let (Some(schema), Some(mut body)) = (route.body_schema(), route.example_body()) else { continue };
            let is_required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
            for (name, property) in schema["properties"].as_object().unwrap().iter().filter(|(name, _)| !is_required(name)) {
                let kinds = property["type"].as_array();
                assert!(kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "null")), "{} {name}", route.id);
                body[name] = Value::Null;
                fields += 1;
            }
            let caller = server.sign_in(&acme.owner.email, &acme.slug).await;
            let reply = route.ask(&caller, &route.unknown_path(), Some(body), &[]).await;
            assert!(!reply.text.contains("invalid_type"), "{}: {}", route.id, reply.text);
        }
        assert!(fields >= 15, "{fields}");
        let role = json!({ "name": "clerks", "description": null, "permissions": [] });
        assert_eq!(acme.owner.post("/roles", role).await.is(201)["description"], "");
        acme.owner.post("/jobs/cleanup", json!({ "targets": null, "dryRun": null })).await.is(202);
    }

    async fn fields_that_do_not_fit_are_named(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let owner = &acme.tenant.owner;
        let long = format!("{{\"name\":\"{}\",\"permissions\":[]}}", "é".repeat(81));
        let wordy = format!("{{\"name\":\"x\",\"description\":\"{}\",\"permissions\":[]}}", "é".repeat(501));
        let before = server.sql.dump().await;
        misfits(owner, Method::POST, "/roles", &[
            ("{}", "name", "required"),
            ("{\"name\":\"x\"}", "permissions", "required"),
            ("{\"name\":1,\"permissions\":[]}", "name", "invalid_type"),
            ("{\"name\":null,\"permissions\":[]}", "name", "invalid_type"),
            ("{\"name\":{\"x\":1},\"permissions\":[]}", "name", "invalid_type"),
            ("{\"name\":\"x\",\"permissions\":\"users:read\"}", "permissions", "invalid_type"),
            ("{\"name\":\"x\",\"permissions\":[\"users:read\",7]}", "permissions[1]", "invalid_type"),
            ("{\"name\":\"x\",\"permissions\":[\"users:read\",\"nope\"]}", "permissions[1]", "invalid"),
            ("{\"name\":\"x\",\"permissions\":[\"USERS:READ\"]}", "permissions[0]", "invalid"),
            ("{\"name\":\"x\",\"permissions\":[\"*\"]}", "permissions[0]", "invalid"),
            ("{\"name\":\"\",\"permissions\":[]}", "name", "length"),
            ("{\"name\":\"  \",\"permissions\":[]}", "name", "invalid"),
            ("{\"name\":\"a\\u0000b\",\"permissions\":[]}", "name", "invalid"),
            ("{\"name\":\"a\\nb\",\"permissions\":[]}", "name", "invalid"),
            ("{\"name\":\"a\\u202eb\",\"permissions\":[]}", "name", "invalid"),
            ("{\"name\":\"x\",\"name\":\"y\",\"permissions\":[]}", "name", "duplicate"),
            ("{\"name\":\"x\",\"permissions\":[],\"permissions\":[]}", "permissions", "duplicate"),
            ("{\"name\":\"x\",\"permissions\":[],\"Name\":\"x\"}", "Name", "unknown"),
            ("{\"name\":\"x\",\"permissions\":[],\"__proto__\":{}}", "__proto__", "unknown"),
            (&long, "name", "length"),
            (&wordy, "description", "length"),
        ]).await;
        misfits(owner, Method::PATCH, &format!("/roles/{}", acme.id_for("get_role")), &[
            ("{\"name\":null}", "name", "invalid_type"),
            ("{\"permissions\":null}", "permissions", "invalid_type"),
            ("{\"name\":\"x\",\"name\":\"x\"}", "name", "duplicate"),
        ]).await;
        misfits(owner, Method::PATCH, "/tenant", &[
            ("{\"name\":null}", "name", "invalid_type"),
            ("{\"slug\":null}", "slug", "invalid_type"),
            ("{\"slug\":\"ab\"}", "slug", "length"),
            ("{\"slug\":\"No\"}", "slug", "length"),
            ("{\"slug\":\"Acme\"}", "slug", "invalid"),
            ("{\"slug\":\"a--b\"}", "slug", "invalid"),
            ("{\"slug\":\"admin\"}", "slug", "invalid"),
            ("{\"name\":\"x\",\"slug\":7}", "slug", "invalid_type"),
        ]).await;
        misfits(owner, Method::PATCH, &format!("/users/{}", acme.id_for("get_user")), &[
            ("{}", "status", "required"),
            ("{\"status\":null}", "status", "invalid_type"),
            ("{\"status\":\"Active\"}", "status", "invalid"),
            ("{\"status\":\"disabled\"}", "status", "invalid"),
        ]).await;
        misfits(owner, Method::PATCH, "/auth/me", &[("{\"name\":null}", "name", "invalid_type"), ("{\"email\":\"a@b.example\"}", "email", "unknown")]).await;
        misfits(owner, Method::PUT, &format!("/users/{}/roles", acme.id_for("get_user")), &[
            ("{}", "roleIds", "required"),
            ("{\"roleIds\":null}", "roleIds", "invalid_type"),
            ("{\"roleIds\":[null]}", "roleIds[0]", "invalid_type"),
        ]).await;
        assert_eq!(server.sql.dump().await, before, "a refused body has changed something");
    }

    async fn several_mistakes_are_told_together(server: Server) {
        let body = json!({
            "email": "nobody", "password": "short", "name": "", "tenantName": "x".repeat(121), "tenantSlug": "-", "transport": "pigeon"
        });
        let error = server.client().post("/auth/register", body).await.refused(422, "validation_failed");
        let mut fields: Vec<&str> = error["details"].as_array().unwrap().iter().map(|d| d["field"].as_str().unwrap()).collect();
        fields.sort_unstable();
        fields.dedup();
        assert_eq!(fields, ["email", "name", "password", "tenantName", "tenantSlug", "transport"]);
    }

    async fn refusals_come_in_their_order(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let (owner, nobody) = (&acme.tenant.owner, server.client());
        let limited = server.member_with(&acme.tenant, &[]).await;
        let unknown = format!("/roles/{UNKNOWN_ID}");
        let text = [("content-type", "text/plain")];
        let wrong_body = Some(json!({ "zzz": 1 }));
        let send = async |by: &crate::support::Client, path: &str, body: &Option<Value>, headers: &[(&str, &str)]| {
            by.send(Method::PATCH, path, body.clone(), headers).await
        };
        send(&nobody, &unknown, &wrong_body, &text).await.refused(401, "unauthenticated");
        send(&limited, &unknown, &wrong_body, &text).await.refused(403, "permission_denied");
        send(owner, &unknown, &wrong_body, &[]).await.refused(422, "validation_failed");
        let good = Some(json!({ "name": "y" }));
        let stale = [("if-match", "\"99\"")];
        send(owner, &unknown, &good, &stale).await.refused(404, "not_found");
        let roles = owner.get("/roles").await.is(200);
        let admin = roles.as_array().unwrap().iter().find(|role| role["name"] == "admin").unwrap();
        let admin = format!("/roles/{}", admin["id"].as_str().unwrap());
        send(owner, &admin, &good, &stale).await.refused(412, "version_conflict");
        send(owner, &admin, &good, &[]).await.refused(409, "role_is_system");
        // By the caller's permissions, before the body is read; by the resource itself, after.
        let maker = server.member_with(&acme.tenant, &["roles:create"]).await;
        maker.post("/roles", json!({ "name": "x", "permissions": ["nope"] })).await.refused(422, "validation_failed");
        maker.post("/roles", json!({ "name": "free", "permissions": ["audit:read"] })).await.refused(403, "role_escalation");
        nobody.send(Method::DELETE, "/roles", None, &[]).await.refused(405, "method_not_allowed");
    }

    async fn a_version_that_has_moved_on_is_not_overwritten(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let owner = &acme.tenant.owner;
        let (role, user) = (format!("/roles/{}", acme.id_for("get_role")), format!("/users/{}", acme.id_for("get_user")));
        for (path, change) in [
            (role.as_str(), json!({ "description": "New." })),
            (&user, json!({ "status": "deactivated" })),
            ("/tenant", json!({ "name": "New" })),
            ("/auth/me", json!({ "name": "New" })),
        ] {
            let patch = async |tag: &str, body: &Value| owner.send(Method::PATCH, path, Some(body.clone()), &[("if-match", tag)]).await;
            let seen = owner.get(path).await.header("etag").to_owned();
            let before = server.sql.dump().await;
            for stale in ["\"0\"", "\"-1\"", "\"9223372036854775807\"", "\"9223372036854775808\"", "W/\"0\"", "w/\"1\"", "1", "\"01\"", "", "\"1\", \"2\"", "\"x\""] {
                patch(stale, &change).await.refused(412, "version_conflict");
            }
            assert_eq!(server.sql.dump().await, before, "{path}");
            let changed = patch(&seen, &change).await;
            let now = changed.header("etag").to_owned();
            changed.is(200);
            assert_ne!(now, seen, "{path}");
            assert_eq!(owner.get(path).await.header("etag"), now, "{path}");
            patch(&seen, &change).await.refused(412, "version_conflict");
            patch("*", &change).await.is(200);
            // As nginx sends the tag on when it compresses the response.
            let weak = format!("W/{}", owner.get(path).await.header("etag"));
            patch(&weak, &change).await.is(200);
        }
        let delete = async |path: &str, tag: &str| owner.send(Method::DELETE, path, None, &[("if-match", tag)]).await;
        for path in [&role, &user] {
            delete(path, "\"1\"").await.refused(412, "version_conflict");
            let seen = owner.get(path).await.header("etag").to_owned();
            delete(path, &seen).await.is(204);
        }
    }

    async fn moments_have_milliseconds_and_a_z(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let mut found = Vec::new();
        for route in routes().iter().filter(|route| route.method == Method::GET && route.template.starts_with("/api/")) {
            let reply = acme.tenant.owner.get(&route.path(&acme.ids_for(route))).await;
            moments(&reply.body["data"], route.id, &mut found);
        }
        assert!(found.len() > 20, "{found:?}");
        for (path, text) in found {
            let bytes = text.as_bytes();
            let shape: String = bytes.iter().map(|b| if b.is_ascii_digit() { '0' } else { char::from(*b) }).collect();
            assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{path}");
            if path.ends_with("lastUsedAt") || path.ends_with("lastSeenAt") {
                assert!(text.ends_with(":00.000Z"), "{path} is rounded to the minute");
            }
        }
    }

    async fn answers_to_the_signed_in_are_not_to_be_kept(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let is_file = |route: &Route| route.id == "download_file";
        for route in routes().iter().filter(|route| route.method == Method::GET && !route.is_public() && !is_file(route)) {
            let reply = acme.tenant.owner.get(&route.path(&acme.ids_for(route))).await;
            assert_eq!(reply.header("cache-control"), "no-store", "{}", route.id);
            assert_eq!(reply.header("content-type"), "application/json", "{}", route.id);
        }
        let body = json!({ "email": acme.tenant.owner.email, "password": PASSWORD });
        assert_eq!(server.client().post("/auth/login", body).await.header("cache-control"), "no-store");
    }

    async fn every_request_has_an_id_of_its_own(server: Server) {
        let mut seen = std::collections::HashSet::new();
        for path in ["//livez", "/nothing", "/roles", "//docs", "//openapi.json"] {
            let ask = async || server.client().send(Method::GET, path, None, &[("x-request-id", UNKNOWN_ID)]).await;
            for reply in [ask().await, ask().await] {
                assert_ne!(reply.header("x-request-id"), UNKNOWN_ID, "no client may choose it");
                assert!(seen.insert(reply.request_id()), "{path}");
            }
        }
    }
}

mod behind_a_proxy {
    use super::{Method, UNKNOWN_ID};

    on_both_databases! {
        settings (TRUSTED_PROXIES = "1");

        async fn the_id_that_a_trusted_proxy_gave_is_kept(server: Server) {
            let ask = async |id: &str| server.client().send(Method::GET, "/nothing", None, &[("x-request-id", id)]).await;
            assert_eq!(ask(UNKNOWN_ID).await.header("x-request-id"), UNKNOWN_ID);
            for other in ["x", "", "a\tb", &"a".repeat(500)] {
                assert_ne!(ask(other).await.header("x-request-id"), other);
            }
        }
    }
}
