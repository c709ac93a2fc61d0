mod escalation;
mod fixture;
mod names;
mod property;
mod undeclared;
mod walk;

use serde_json::json;
use std::time::Duration;

use crate::support::{
    pages::{assert_pages_join, field},
    within,
};
pub(crate) use fixture::fixture;
pub(crate) use walk::walk;

on_both_databases! {
    async fn a_role_is_made_read_changed_and_deleted(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        let made = owner.post("/roles", json!({ "name": "Support", "permissions": ["users:read"] })).await.is(201);
        let path = format!("/roles/{}", made["id"].as_str().unwrap());
        assert_eq!(owner.get(&path).await.is(200), made);
        let changed = owner.patch(&path, json!({ "name": "Helpdesk", "description": "Answers." })).await.is(200);
        assert_eq!(changed["name"], "Helpdesk");
        assert_eq!(changed["permissions"], json!(["users:read"]));
        owner.delete(&path).await.is(204);
        owner.get(&path).await.refused(404, "not_found");
    }

    async fn a_role_tells_how_many_hold_it(server: Server) {
        let acme = server.tenant("acme").await;
        let made = acme.owner.post("/roles", json!({ "name": "Support", "permissions": [] })).await;
        assert!(made.header("location").ends_with(made.body["data"]["id"].as_str().unwrap()));
        let path = made.header("location").replace("/api/v1", "");
        for holders in 1..=2 {
            server.member(&acme, "support").await;
            // The operator's commands are another process, whose changes of counts are seen within a second.
            let counted = async || acme.owner.get(&path).await.is(200)["memberCount"] == holders;
            within(Duration::from_millis(1_500), "the new holder is counted", counted).await;
        }
        acme.owner.delete(&path).await.refused(409, "role_in_use");
        let roles = acme.owner.get("/roles").await.is(200);
        let counts = |name: &str| roles.as_array().unwrap().iter().find(|r| r["name"] == name).unwrap()["memberCount"].clone();
        assert_eq!((counts("Support"), counts("owner"), counts("viewer")), (json!(2), json!(1), json!(0)));
    }

    async fn roles_are_listed_newest_first_in_pages_that_join(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for n in 0..9 {
            owner.post("/roles", json!({ "name": format!("r{n}"), "permissions": [] })).await.is(201);
        }
        let roles = assert_pages_join(&owner, "/roles").await;
        assert_eq!(field(&roles, "name")[..9], ["r8", "r7", "r6", "r5", "r4", "r3", "r2", "r1", "r0"]);
        assert_eq!(roles.len(), 13);
    }

    async fn a_change_that_changes_nothing_leaves_no_trace(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let role = json!({ "name": "support", "description": "Answers.", "permissions": ["users:read"] });
        let made = owner.post("/roles", role.clone()).await.is(201);
        let path = format!("/roles/{}", made["id"].as_str().unwrap());
        let before = server.sql.dump().await;
        assert_eq!(owner.patch(&path, role).await.is(200), made);
        assert_eq!(owner.patch(&path, json!({})).await.is(200), made);
        assert_eq!(server.sql.dump().await, before);
        let cleared = owner.patch(&path, json!({ "description": null })).await.is(200);
        assert_eq!((&cleared["description"], &cleared["name"]), (&json!(""), &json!("support")));
    }

    async fn default_roles_stay_as_they_are(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let roles = owner.get("/roles").await.is(200);
        let before = server.sql.dump().await;
        for role in roles.as_array().unwrap() {
            assert_eq!(role["system"], true);
            let path = format!("/roles/{}", role["id"].as_str().unwrap());
            owner.patch(&path, json!({ "name": "mine" })).await.refused(409, "role_is_system");
            owner.patch(&path, json!({ "permissions": [] })).await.refused(409, "role_is_system");
            owner.delete(&path).await.refused(409, "role_is_system");
        }
        assert_eq!(server.sql.dump().await, before);
    }
}
