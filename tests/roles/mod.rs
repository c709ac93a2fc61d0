use serde_json::json;

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

    async fn a_role_cannot_hold_what_its_maker_lacks(server: Server) {
        let acme = server.tenant("acme").await;
        let clerk = server.clerk(&acme, &["roles:create", "users:read"]).await;
        let spy = json!({ "name": "spy", "permissions": ["audit:read"] });
        let reply = clerk.post("/roles", spy).await;
        let request = reply.request_id();
        let error = reply.refused(403, "role_escalation");
        assert_eq!(error["details"][0]["field"], "audit:read");
        let roles = acme.owner.get("/roles").await.is(200);
        assert!(roles.as_array().unwrap().iter().all(|role| role["name"] != "spy"));
        assert_eq!(server.sql.events_of(request).await, [("role.created".to_owned(), "denied".to_owned())]);
    }
}
