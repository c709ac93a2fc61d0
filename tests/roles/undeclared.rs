//! Tests of a role in which a newer program has stored a permission that this one does not declare.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Reply, Server};

const KNOWN: &str = "users:read";
const UNKNOWN: &str = "fly:away";

/// Creates a role as a newer program would write it, and returns it with its path.
async fn newer_role(server: &Server, owner: &Client) -> (String, String) {
    let role = owner.post("/roles", json!({ "name": "pilots", "permissions": [KNOWN] })).await.is(201);
    let id = role["id"].as_str().unwrap().to_owned();
    let stored = format!("UPDATE roles SET permissions = '{UNKNOWN} {KNOWN}' WHERE id = {}", server.sql.id(&id));
    server.sql.execute(&stored).await;
    let path = format!("/roles/{id}");
    (id, path)
}

async fn stored(server: &Server, id: &str) -> Vec<String> {
    server.sql.texts(&format!("SELECT permissions FROM roles WHERE id = {}", server.sql.id(id))).await
}

async fn invite(client: &Client, email: &str, role: &str) -> Reply {
    client.post("/invitations", json!({ "email": email, "roleIds": [role] })).await
}

on_both_databases! {
    async fn an_undeclared_permission_is_not_shown_and_grants_nothing(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let (id, path) = newer_role(&server, &owner).await;
        assert_eq!(owner.get(&path).await.is(200)["permissions"], json!([KNOWN]));
        let listed = owner.get("/roles").await.is(200);
        let listed = listed.as_array().unwrap().iter().find(|role| role["id"] == *id).unwrap();
        assert_eq!(listed["permissions"], json!([KNOWN]));
    }

    async fn a_member_with_an_undeclared_permission_holds_the_others(server: Server) {
        let acme = server.tenant("acme").await;
        let (id, _) = newer_role(&server, &acme.owner).await;
        let member = server.member(&acme, "pilots").await;
        let me = member.get("/auth/me").await.is(200);
        assert_eq!((&me["permissions"], &me["roles"][0]["id"]), (&json!([KNOWN]), &json!(id)));
        member.get("/users").await.is(200);
        member.get("/audit-logs").await.refused(403, "permission_denied");
        let asked = json!({ "permissions": [UNKNOWN] });
        member.post("/permissions/check", asked).await.refused(422, "validation_failed");
    }

    async fn a_change_of_the_role_keeps_the_undeclared_permission(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let (id, path) = newer_role(&server, &owner).await;
        let changed = owner.patch(&path, json!({ "permissions": ["roles:read", "audit:read"] })).await.is(200);
        assert_eq!(changed["permissions"], json!(["roles:read", "audit:read"]));
        assert_eq!(stored(&server, &id).await, ["roles:read audit:read fly:away"]);
        owner.patch(&path, json!({ "permissions": [] })).await.is(200);
        assert_eq!(stored(&server, &id).await, [UNKNOWN]);
        owner.patch(&path, json!({ "name": "crew" })).await.is(200);
        assert_eq!(stored(&server, &id).await, [UNKNOWN]);
        let before = server.sql.dump().await;
        assert_eq!(owner.patch(&path, json!({ "permissions": [] })).await.is(200)["permissions"], json!([]));
        assert_eq!(server.sql.dump().await, before, "a change that changes nothing leaves no trace");
    }

    async fn a_client_cannot_add_an_undeclared_permission(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let (id, path) = newer_role(&server, &owner).await;
        let asked = json!({ "name": "more pilots", "permissions": [KNOWN, UNKNOWN] });
        for reply in [owner.post("/roles", asked.clone()).await, owner.patch(&path, asked).await] {
            let error = reply.refused(422, "validation_failed");
            assert_eq!(error["details"][0]["field"], "permissions[1]");
        }
        assert_eq!(stored(&server, &id).await, [format!("{UNKNOWN} {KNOWN}")]);
    }

    // Under the newer program the role grants a permission that only an owner certainly has.
    async fn te3_only_an_owner_confers_an_undeclared_permission(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let (id, path) = newer_role(&server, &acme.owner).await;
        let admin = server.member(&acme, "admin").await;
        server.verify(&admin).await;
        let colleague = server.member(&acme, "viewer").await;
        let roles = format!("/users/{}/roles", colleague.id);
        for reply in [
            admin.put(&roles, json!({ "roleIds": [id] })).await,
            admin.send(Method::POST, &format!("{roles}/{id}"), None, &[]).await,
            invite(&admin, "iris@example.com", &id).await,
        ] {
            let error = reply.refused(403, "role_escalation");
            let fields: Vec<&Value> = error["details"].as_array().unwrap().iter().map(|detail| &detail["field"]).collect();
            assert_eq!(fields, [UNKNOWN]);
        }
        admin.patch(&path, json!({ "permissions": [KNOWN, "audit:read"] })).await.is(200);
        acme.owner.put(&roles, json!({ "roleIds": [id] })).await.is(200);
        invite(&acme.owner, "iris@example.com", &id).await.is(201);
    }
}
