use serde_json::{Value, json};
use tenantry_app::vocabulary;
use tenantry_kernel::DefaultRole;

on_both_databases! {
    async fn the_catalogue_is_shown_to_whoever_is_signed_in(server: Server) {
        let acme = server.tenant("acme").await;
        let limited = server.member_with(&acme, &[]).await;
        let wanted: Vec<Value> = vocabulary::compose()
            .unwrap()
            .permissions()
            .iter()
            .map(|info| {
                let permission = &info.permission;
                json!({ "name": permission, "resource": permission.resource(), "action": permission.action(), "description": info.description })
            })
            .collect();
        assert_eq!(limited.get("/permissions").await.is(200), json!(wanted));
    }

    async fn a_check_says_what_is_held_and_by_which_role(server: Server) {
        let acme = server.tenant("acme").await;
        let role = |name: &str, permissions: Value| acme.owner.post("/roles", json!({ "name": name, "permissions": permissions }));
        let first = role("first", json!(["roles:read", "audit:read"])).await.is(201)["id"].clone();
        let second = role("second", json!(["roles:read"])).await.is(201)["id"].clone();
        let member = server.member(&acme, "first").await;
        acme.owner.put(&format!("/users/{}/roles", member.id), json!({ "roleIds": [first, second] })).await.is(200);
        let asked = json!({ "permissions": ["roles:read", "audit:read", "jobs:read", "tenant:own"] });
        let (first, second) = (json!({ "id": first, "name": "first" }), json!({ "id": second, "name": "second" }));
        let wanted = json!({
            "allowed": { "roles:read": true, "audit:read": true, "jobs:read": false, "tenant:own": false },
            "grantedBy": { "roles:read": [first, second], "audit:read": [first], "jobs:read": [], "tenant:own": [] }
        });
        assert_eq!(member.post("/permissions/check", asked).await.is(200), wanted);
        acme.owner.put(&format!("/users/{}/roles", member.id), json!({ "roleIds": [] })).await.is(200);
        let asked = json!({ "permissions": ["roles:read"] });
        assert_eq!(member.post("/permissions/check", asked).await.is(200)["allowed"], json!({ "roles:read": false }));
    }

    async fn what_is_in_no_catalogue_cannot_be_asked_for(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for wrong in ["", "roles", "roles:*", "*:*", "ROLES:READ", "roles:read ", "installation:own"] {
            let error = owner.post("/permissions/check", json!({ "permissions": ["roles:read", wrong] })).await.refused(422, "validation_failed");
            assert_eq!(error["details"][0]["field"], "permissions[1]", "{wrong}");
        }
    }

    async fn an_owner_holds_everything_and_an_admin_all_but_ownership(server: Server) {
        let acme = server.tenant("acme").await;
        let admin = server.member(&acme, "admin").await;
        let vocabulary = vocabulary::compose().unwrap();
        let all = json!(vocabulary.names(vocabulary.default_permissions(DefaultRole::Owner)));
        assert_eq!(acme.owner.get("/auth/me").await.is(200)["permissions"], all);
        let less: Vec<&Value> = all.as_array().unwrap().iter().filter(|name| *name != "tenant:own").collect();
        assert_eq!(admin.get("/auth/me").await.is(200)["permissions"], json!(less));
    }
}
