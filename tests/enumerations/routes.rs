use reqwest::Method;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_http::operations;

use crate::support::{
    Fixture,
    routes::{UNKNOWN_ID, routes},
};

/// Operations without authentication. An addition here declares that anyone may call it.
const PUBLIC: &[&str] = &[
    "accept_invitation",
    "confirm_registration",
    "download_by_link",
    "forgot_password",
    "health",
    "jwks",
    "livez",
    "login",
    "logout",
    "lookup_invitation",
    "readyz",
    "refresh",
    "register",
    "reset_password",
    "verify_email",
];
/// Operations that change nothing by themselves: a check, and a request for an email.
const WITHOUT_EVENTS: &[&str] = &["check_permissions", "resend_verification"];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[test]
fn every_operation_of_the_table_has_a_route_and_every_route_an_operation() {
    let routed: BTreeSet<&str> = routes().iter().map(|route| route.id).collect();
    let listed: BTreeSet<&str> = operations().map(|operation| operation.id.as_str()).collect();
    assert_eq!(routed, listed);
    assert_eq!(routes().len(), operations().count(), "an id stands twice");
}

#[test]
fn nothing_is_public_that_is_not_meant_to_be() {
    let public: BTreeSet<&str> = routes().iter().filter(|route| route.is_public()).map(|route| route.id).collect();
    assert_eq!(public, PUBLIC.iter().copied().collect());
}

#[test]
fn every_refusable_operation_leaves_an_event_of_its_own() {
    for route in routes().iter().filter(|route| !route.is_public() && route.method != Method::GET) {
        assert!(
            WITHOUT_EVENTS.contains(&route.id) || !route.operation().contract.events.is_empty(),
            "{} declares no event",
            route.id
        );
    }
}

on_both_databases! {
    async fn every_path_refuses_other_methods_and_says_which_it_takes(server: Server) {
        let mut taken: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for route in routes() {
            let methods = taken.entry(route.template).or_default();
            methods.insert(route.method.to_string());
            if route.method == Method::GET {
                methods.insert("HEAD".to_owned());
            }
        }
        for (template, methods) in taken {
            let path = template.replace("{id}", UNKNOWN_ID).replace("{role_id}", UNKNOWN_ID).replace("{token}", UNKNOWN_ID);
            for method in METHODS.iter().filter(|method| !methods.contains(**method)) {
                let reply = server.client().send(method.parse().unwrap(), &format!("/{path}"), None, &[]).await;
                assert_eq!(reply.status, 405, "{method} {path}");
                let allowed: BTreeSet<String> = reply.header("allow").split(", ").map(str::to_owned).collect();
                assert_eq!(allowed, methods, "{method} {path}");
                if *method != "HEAD" {
                    reply.refused(405, "method_not_allowed");
                }
            }
        }
    }

    async fn a_fixed_word_is_no_id(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for (method, path, allowed) in [
            (Method::GET, "/files/upload", "POST"),
            (Method::DELETE, "/invitations/accept", "POST"),
            (Method::GET, "/jobs/cleanup", "POST"),
            (Method::POST, "/files/signed/link", "GET, HEAD"),
        ] {
            let reply = owner.send(method, path, None, &[]).await;
            assert_eq!(reply.header("allow"), allowed, "{path}");
            reply.refused(405, "method_not_allowed");
        }
        let encoded = owner.raw(Method::DELETE, "/files/uploa%64").send().await.unwrap();
        assert_eq!(encoded.status(), 405);
    }

    async fn what_is_no_route_is_not_found_in_the_envelope(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for path in ["/", "/nothing", "/roles/", "/Roles", "/roles/x/y", "//", "//api", "//api/v2/roles", "/users//roles"] {
            for method in ["GET", "POST", "DELETE"] {
                let reply = owner.send(method.parse().unwrap(), path, Some(json!({})), &[]).await;
                reply.refused(404, "not_found");
            }
        }
    }

    async fn every_operation_asks_who_calls(server: Server) {
        let nobody = server.client();
        let before = server.sql.dump().await;
        for route in routes().iter().filter(|route| !route.is_public()) {
            let (path, body) = (route.unknown_path(), route.example_body());
            let reply = route.ask(&nobody, &path, body.clone(), &[]).await;
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"tenantry\"");
            reply.refused(401, "unauthenticated");
            for (name, value) in [("authorization", "Basic YTpi"), ("x-access-token", "x"), ("cookie", "accessToken=x")] {
                route.ask(&nobody, &path, body.clone(), &[(name, value)]).await.refused(401, "unauthenticated");
            }
            let reply = route.ask(&nobody, &path, body, &[("authorization", "Bearer x")]).await;
            assert!(reply.header("www-authenticate").contains("invalid_token"));
            reply.refused(401, "token_invalid");
        }
        assert_eq!(server.sql.dump().await, before, "a stranger has changed something");
    }

    async fn every_operation_asks_for_its_right_and_notes_who_lacks_it(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let catalogue = acme.tenant.owner.get("/permissions").await.is(200);
        let catalogue: Vec<&str> = catalogue.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
        let mut tried = 0;
        for route in routes() {
            let Some(wanted) = route.shape["x-requires"]["all"].as_array() else { continue };
            let others: Vec<&str> =
                catalogue.iter().copied().filter(|p| *p != "tenant:own" && wanted.iter().all(|w| w != p)).collect();
            let limited = server.member_with(&acme.tenant, &others).await;
            let (path, body) = (route.path(&acme.ids_for(route)), acme.body_for(route));
            let before = server.sql.dump().await;
            let reply = route.ask(&limited, &path, body, &[]).await;
            let request = reply.request_id();
            let error = reply.refused(403, "permission_denied");
            let missing: Vec<_> = error["details"].as_array().unwrap().iter().map(|d| d["field"].clone()).collect();
            assert_eq!(&missing, wanted, "{}", route.id);
            assert!(error["details"].as_array().unwrap().iter().all(|d| d["code"] == "missing_permission"));
            let tried_action = route.operation().contract.events.first().map_or("access.denied", |action| action.name());
            let left = [(tried_action.to_owned(), "denied".to_owned())];
            assert_eq!(server.sql.events_of(request).await, left, "{}", route.id);
            let mut after = server.sql.dump().await;
            for table in ["journal", "journal_parts", "journal_unsealed"] {
                assert_eq!(after[table].len(), before[table].len() + 1, "{}", route.id);
                after.insert(table.to_owned(), before[table].clone());
            }
            assert_eq!(after, before, "{} was refused and changed something", route.id);
            tried += 1;
        }
        assert!(tried >= 14, "{tried}");
    }

    async fn a_session_without_a_tenant_or_in_a_suspended_one_keeps_its_own_affairs_only(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let without_tenant = server.without_tenant().await;
        server.set_status(&acme.tenant, tenantry_kernel::TenantStatus::Suspended).await;
        for route in routes().iter().filter(|route| !route.is_public()) {
            let own = route.shape["x-requires"] == json!({ "signedIn": true });
            if own {
                continue;
            }
            let (path, body) = (route.path(&acme.ids_for(route)), acme.body_for(route));
            route.ask(&without_tenant, &path, body.clone(), &[]).await.refused(403, "tenant_required");
            route.ask(&acme.tenant.owner, &path, body, &[]).await.refused(403, "tenant_suspended");
        }
        for member in [&without_tenant, &acme.tenant.owner] {
            member.get("/auth/me").await.is(200);
            member.get("/auth/sessions").await.is(200);
            member.patch("/auth/me", json!({ "name": "Still me" })).await.is(200);
            member.post("/auth/logout", json!({})).await.is(204);
        }
    }
}
