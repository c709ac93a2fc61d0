use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::support::{
    Fixture, Reply,
    routes::{Route, UNKNOWN_ID, routes},
};

/// Returns the response without the parts that differ between requests.
fn bytes(reply: &Reply) -> (u16, String, BTreeMap<String, String>) {
    let id = reply.request_id().to_string();
    let headers = reply.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (reply.status.as_u16(), reply.text.replace(&id, "(id)"), headers)
}

/// Returns each way to put ids of another tenant into the path: all of them, or one beside the own ones.
fn foreign_paths(route: &Route, own: &Fixture, other: &Fixture) -> Vec<(String, String)> {
    let (ours, theirs) = (own.ids_for(route), other.ids_for(route));
    let mut pairs = Vec::new();
    for place in 0..route.ids() {
        for id in other.every_id() {
            let with = |id| {
                let mut ids = ours.clone();
                ids[place] = id;
                route.path(&ids)
            };
            pairs.push((with(id), with(UNKNOWN_ID)));
        }
    }
    pairs.push((route.path(&theirs), route.unknown_path()));
    pairs
}

/// Returns the reads of authenticated callers without an id in the path, and the parameters of each. Reads that require
/// a parameter are left out.
fn reads() -> impl Iterator<Item = (String, Vec<&'static Value>)> {
    let reads = routes().iter().filter(|route| route.method == Method::GET && !route.is_public() && route.ids() == 0);
    let with_parameters = reads.map(|route| {
        let parameters = route.shape["parameters"].as_array().into_iter().flatten().collect::<Vec<_>>();
        (route.unknown_path(), parameters)
    });
    with_parameters.filter(|(_, parameters)| parameters.iter().all(|parameter| parameter["required"] != json!(true)))
}

/// Returns the paths of all lists, with pages of a hundred where they have pages.
fn lists() -> Vec<String> {
    let in_pages = |parameters: &[&Value]| parameters.iter().any(|parameter| parameter["name"] == "limit");
    reads().map(|(path, parameters)| if in_pages(&parameters) { format!("{path}?limit=100") } else { path }).collect()
}

/// Returns the prefixes of paths of lists that are filtered by an id, which is appended.
fn filters_by_id() -> Vec<String> {
    let by_id = |path: &str, parameter: &Value| {
        let takes_id = parameter["in"] == "query" && parameter["schema"]["format"] == "uuid";
        takes_id.then(|| format!("{path}?{}=", parameter["name"].as_str().unwrap()))
    };
    reads()
        .flat_map(|(path, parameters)| parameters.iter().filter_map(|one| by_id(&path, one)).collect::<Vec<_>>())
        .collect()
}

on_both_databases! {
    async fn te1_another_tenants_ids_are_as_unknown_as_any(server: Server) {
        let (own, other) = (Fixture::of(&server, "own").await, Fixture::of(&server, "other").await);
        let owner = &own.tenant.owner;
        let before = server.sql.dump().await;
        let mut tried = 0;
        // A link is valid for any bearer, in any tenant: `fi4_…` tests its scope.
        for route in routes().iter().filter(|route| route.ids() > 0 && route.id != "download_by_link") {
            let body = own.body_for(route);
            for (foreign, unknown) in foreign_paths(route, &own, &other) {
                let any = [("if-match", "*")];
                let foreign_reply = route.ask(owner, &foreign, body.clone(), &any).await;
                let unknown_reply = route.ask(owner, &unknown, body.clone(), &any).await;
                assert_eq!(bytes(&foreign_reply), bytes(&unknown_reply), "{foreign}");
                foreign_reply.refused(404, "not_found");
                tried += 1;
            }
        }
        assert!(tried > 80, "{tried}");
        assert_eq!(server.sql.dump().await, before, "another tenant's id has changed something");
    }

    async fn te1_another_tenants_ids_inside_a_body_are_as_unknown_as_any(server: Server) {
        let (own, other) = (Fixture::of(&server, "own").await, Fixture::of(&server, "other").await);
        let path = format!("/users/{}/roles", own.id_for("set_roles"));
        let known = own.id_for("get_role");
        let before = server.sql.dump().await;
        let put = |ids: Value| own.tenant.owner.put(&path, json!({ "roleIds": ids }));
        let unknown = put(json!([known, UNKNOWN_ID])).await;
        for id in other.every_id() {
            let foreign = put(json!([known, id])).await;
            assert_eq!(bytes(&foreign), bytes(&unknown), "{id}");
            let error = foreign.refused(422, "validation_failed");
            let detail = json!({ "field": "roleIds[1]", "code": "not_found", "message": "This role does not exist." });
            assert_eq!(error["details"], json!([detail]));
        }
        for garbage in ["", "x", "ABC", "../roles", "' OR 1=1 --"] {
            assert_eq!(bytes(&put(json!([known, garbage])).await), bytes(&unknown), "{garbage}");
        }
        assert_eq!(server.sql.dump().await, before);
    }

    async fn te1_lists_show_nothing_of_another_tenant_whatever_is_asked(server: Server) {
        let (own, other) = (Fixture::of(&server, "own").await, Fixture::of(&server, "other").await);
        let owner = &own.tenant.owner;
        let lists = lists();
        assert!(lists.len() >= 7, "{lists:?}");
        for list in lists {
            let text = owner.get(&list).await.text;
            for id in other.every_id() {
                assert!(!text.contains(id), "{list} shows {id}");
            }
        }
        let filters = filters_by_id();
        assert!(filters.len() >= 4, "{filters:?}");
        for id in other.every_id() {
            for filter in &filters {
                let (foreign, unknown) = (owner.get(&format!("{filter}{id}")).await, owner.get(&format!("{filter}{UNKNOWN_ID}")).await);
                assert_eq!(bytes(&foreign), bytes(&unknown), "{filter}{id}");
                assert_eq!(foreign.is(200), json!([]), "{filter}{id}");
            }
        }
        let theirs = other.tenant.owner.get("/roles?limit=1").await;
        let cursor = theirs.body["meta"]["nextCursor"].as_str().unwrap().to_owned();
        owner.get(&format!("/roles?limit=1&cursor={cursor}")).await.refused(400, "invalid_cursor");
    }

    async fn te1_nothing_but_the_token_names_the_tenant(server: Server) {
        let (own, other) = (Fixture::of(&server, "own").await, Fixture::of(&server, "other").await);
        let owner = &own.tenant.owner;
        let wanted = owner.get("/tenant").await.is(200);
        for name in ["x-tenant-id", "x-tenant", "tenant", "tenant-id", "x-tenant-slug", "x-organization-id"] {
            for value in [&other.tenant.id, &other.tenant.slug] {
                let reply = owner.send(reqwest::Method::GET, "/tenant", None, &[(name, value)]).await;
                assert_eq!(reply.is(200), wanted, "{name}");
            }
        }
        for name in ["tenantId", "tenant", "tenantSlug"] {
            for list in ["/users", "/roles", "/audit-logs"] {
                let reply = owner.get(&format!("{list}?{name}={}", other.tenant.id)).await;
                assert_eq!(reply.refused(422, "validation_failed")["details"][0]["code"], "unknown");
            }
        }
    }

    async fn te1_nobody_ends_the_sessions_of_others(server: Server) {
        let own = Fixture::of(&server, "own").await;
        let colleague = server.member(&own.tenant, "viewer").await;
        let theirs = colleague.session_id().await;
        let path = format!("/auth/sessions/{theirs}");
        let (foreign, unknown) = (own.tenant.owner.delete(&path).await, own.tenant.owner.delete(&format!("/auth/sessions/{UNKNOWN_ID}")).await);
        assert_eq!(bytes(&foreign), bytes(&unknown));
        foreign.refused(404, "not_found");
        own.tenant.owner.delete("/auth/sessions?scope=all").await.is(204);
        colleague.get("/auth/me").await.is(200);
        own.tenant.owner.get("/auth/me").await.refused(401, "session_ended");
    }
}
