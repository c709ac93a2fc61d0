mod erasure;
mod export;
mod fixture;
mod indexes;
mod newer;
mod policy;
mod seals;

use serde_json::{Value, json};

use crate::support::{
    Server, Tenant,
    pages::{assert_pages_join, joined},
};
pub(crate) use fixture::fixture;

/// Creates a tenant with events of every kind.
async fn busy(server: &Server) -> Tenant {
    let acme = server.tenant("acme").await;
    let owner = &acme.owner;
    let role = owner.post("/roles", json!({ "name": "support", "permissions": ["users:read"] })).await.is(201);
    let path = format!("/roles/{}", role["id"].as_str().unwrap());
    owner.patch(&path, json!({ "permissions": ["roles:read"], "description": "Helps." })).await.is(200);
    let member = server.member(&acme, "support").await;
    member.get("/audit-logs").await.refused(403, "permission_denied");
    member.post("/roles", json!({ "name": "x", "permissions": [] })).await.refused(403, "permission_denied");
    owner.patch(&format!("/users/{}", member.id), json!({ "status": "deactivated" })).await.is(200);
    owner.patch("/auth/me", json!({ "name": "Olga O." })).await.is(200);
    acme
}

/// Checks that the filter returns the entries that a scan of all entries finds, in the same order.
async fn finds(tenant: &Tenant, whole: &[Value], filter: &str, fits: impl Fn(&Value) -> bool) -> usize {
    let wanted: Vec<&Value> = whole.iter().filter(|entry| fits(entry)).collect();
    let found = joined(&tenant.owner, &format!("/audit-logs?{filter}"), 3).await;
    assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{filter}");
    wanted.len()
}

on_both_databases! {
    async fn entries_are_listed_newest_first_and_read_one_by_one(server: Server) {
        let acme = busy(&server).await;
        let whole = assert_pages_join(&acme.owner, "/audit-logs").await;
        assert!(whole.len() >= 10, "{}", whole.len());
        let moments: Vec<&str> = whole.iter().map(|entry| entry["occurredAt"].as_str().unwrap()).collect();
        assert!(moments.is_sorted_by(|newer, older| newer >= older), "{moments:?}");
        for entry in &whole {
            let one = acme.owner.get(&format!("/audit-logs/{}", entry["id"].as_str().unwrap())).await.is(200);
            assert_eq!(&one, entry);
        }
    }

    async fn every_filter_finds_what_it_says(server: Server) {
        let acme = busy(&server).await;
        let whole = joined(&acme.owner, "/audit-logs", 100).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut filters = 0;
        for entry in &whole {
            let (action, outcome) = (text(&entry["action"]), text(&entry["outcome"]));
            let group = action.split('.').next().unwrap().to_owned();
            let (actor, target) = (text(&entry["actor"]["id"]), text(&entry["target"]["id"]));
            let (kind, at) = (text(&entry["target"]["type"]), text(&entry["occurredAt"]));
            finds(&acme, &whole, &format!("action={action}"), |e| e["action"] == action.as_str()).await;
            let in_group = |e: &Value| text(&e["action"]).starts_with(&format!("{group}."));
            finds(&acme, &whole, &format!("action={group}.*"), in_group).await;
            finds(&acme, &whole, &format!("outcome={outcome}"), |e| e["outcome"] == outcome.as_str()).await;
            finds(&acme, &whole, &format!("from={at}"), |e| text(&e["occurredAt"]) >= at).await;
            finds(&acme, &whole, &format!("to={at}"), |e| text(&e["occurredAt"]) < at).await;
            if !actor.is_empty() {
                finds(&acme, &whole, &format!("actorId={actor}"), |e| e["actor"]["id"] == actor.as_str()).await;
            }
            if !target.is_empty() {
                finds(&acme, &whole, &format!("targetId={target}"), |e| e["target"]["id"] == target.as_str()).await;
                finds(&acme, &whole, &format!("targetType={kind}&outcome={outcome}"), |e| {
                    e["target"]["type"] == kind.as_str() && e["outcome"] == outcome.as_str()
                })
                .await;
            }
            filters += 1;
        }
        assert!(filters >= 10);
        let denied = finds(&acme, &whole, "outcome=denied", |e| e["outcome"] == "denied").await;
        assert_eq!(denied, 2);
    }

    async fn in1_moments_and_names_at_their_edges(server: Server) {
        let acme = busy(&server).await;
        let count = async |filter: &str| joined(&acme.owner, &format!("/audit-logs?{filter}"), 100).await.len();
        let all = count("from=0000-01-01T00:00:00Z").await;
        assert_eq!(count("to=9999-12-31T23:59:59.999Z").await, all);
        assert_eq!(count("to=9999-12-31T23:59:59-23:59").await, all);
        assert_eq!(count("from=1970-01-01T00:00:00%2B00:00").await, all);
        for empty in ["from=9999-12-31T23:59:59Z", "to=0000-01-01T00:00:00Z", "to=1969-12-31T23:59:59Z"] {
            assert_eq!(count(empty).await, 0, "{empty}");
        }
        for bad in [
            "from=2026", "from=2026-11-23", "from=2026-11-23T00:00:00", "from=10000-01-01T00:00:00Z", "from=-0001-01-01T00:00:00Z",
            "from=2026-13-01T00:00:00Z", "from=0", "from=9223372036854775807", "to=now", "to=", "action=", "action=Role.created", "action=role%25",
            "action=role.created%00", "action=role", "action=role.", "action=.*", "action=*", "action=role.*.*", "action=%2E",
            "action=role.crated", "action=rôle.created", "action=robot.*", "action=role.created.*", "outcome=ok", "targetType=role%27", "actorId=1", "targetId=x",
        ] {
            let name = bad.split('=').next().unwrap();
            let reply = acme.owner.get(&format!("/audit-logs?{bad}")).await;
            assert_eq!(reply.refused(422, "validation_failed")["details"][0]["field"], name, "{bad}");
            let reply = acme.owner.get(&format!("/audit-logs/export?format=csv&{bad}")).await;
            assert_eq!(reply.refused(422, "validation_failed")["details"][0]["field"], name, "{bad}");
        }
        let long = "a".repeat(81);
        acme.owner.get(&format!("/audit-logs?action={long}")).await.refused(422, "validation_failed");
    }

    async fn an_entry_says_who_did_what_to_whom_and_from_where(server: Server) {
        let acme = server.tenant("acme").await;
        let request = acme.owner.raw(reqwest::Method::POST, "/roles").header("user-agent", "curl/8\u{2028}x").json(&json!({ "name": "support", "permissions": ["users:read"] }));
        let reply = acme.owner.finish(request, &reqwest::Method::POST, "/api/v1/roles").await;
        let id = reply.request_id().to_string();
        let role = reply.is(201);
        let entry = acme.owner.get("/audit-logs?action=role.created").await.is(200)[0].clone();
        assert_eq!(entry["actor"], json!({ "type": "user", "id": acme.owner.id, "name": "Olga Owner" }));
        assert_eq!(entry["target"], json!({ "type": "role", "id": role["id"], "name": "support" }));
        assert_eq!(entry["context"], json!({ "ip": "127.0.0.1", "userAgent": "curl/8x", "requestId": id }));
        assert_eq!((&entry["outcome"], &entry["count"]), (&json!("succeeded"), &json!(1)));
        let changes = json!([
            { "field": "name", "from": null, "to": "support" },
            { "field": "description", "from": null, "to": "" },
            { "field": "permissions", "from": null, "to": ["users:read"] }
        ]);
        assert_eq!(entry["changes"], changes);
    }

    async fn refusals_of_one_kind_are_one_entry_at_once(server: Server) {
        let acme = server.tenant("acme").await;
        let limited = server.member_with(&acme, &[]).await;
        for _ in 0..5 {
            limited.post("/roles", json!({ "name": "x", "permissions": [] })).await.refused(403, "permission_denied");
        }
        let denied = acme.owner.get("/audit-logs?outcome=denied").await.is(200);
        assert_eq!(denied.as_array().map(Vec::len), Some(1));
        assert_eq!((&denied[0]["action"], &denied[0]["actor"]["id"]), (&json!("role.created"), &json!(limited.id)));
    }
}
