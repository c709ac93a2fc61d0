use serde_json::json;

/// Names that a careless key would join or split.
const SEPARATED: [&str; 14] =
    ["a", "b", "a b", "a  b", "a:b", "a/b", "a|b", "a,b", "a;b", "a\"b", "a%3Ab", "a\\b", "a.b", "a\u{a0}\u{b7}b"];

on_both_databases! {
    async fn te5_separators_inside_names_join_nothing(server: Server) {
        let (acme, other) = (server.tenant("acme").await, server.tenant("acme-a").await);
        for tenant in [&acme, &other] {
            let mut made = Vec::new();
            for name in SEPARATED {
                made.push(tenant.owner.post("/roles", json!({ "name": name, "permissions": [] })).await.is(201));
            }
            for (role, name) in made.iter().zip(SEPARATED) {
                let read = tenant.owner.get(&format!("/roles/{}", role["id"].as_str().unwrap())).await.is(200);
                assert_eq!((&read, &read["name"]), (role, &json!(name)));
            }
        }
    }

    async fn te5_spellings_of_one_name_are_one(server: Server) {
        let owner = server.tenant("acme").await.owner;
        owner.post("/roles", json!({ "name": "Ångström", "permissions": [] })).await.is(201);
        for spelling in ["ångström", "ÅNGSTRÖM", " Ångström ", "A\u{30a}ngstro\u{308}m", "\u{212b}ngström"] {
            let reply = owner.post("/roles", json!({ "name": spelling, "permissions": [] })).await;
            reply.refused(409, "role_name_taken");
        }
        owner.post("/roles", json!({ "name": "OWNER", "permissions": [] })).await.refused(409, "role_name_taken");
    }

    async fn te7_a_role_of_the_same_name_inherits_nothing(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        let body = |permission: &str| json!({ "name": "auditors", "permissions": [permission] });
        let old = owner.post("/roles", body("audit:read")).await.is(201)["id"].as_str().unwrap().to_owned();
        let member = server.member(&acme, "auditors").await;
        member.get("/audit-logs").await.is(200);
        owner.delete(&format!("/users/{}/roles/{old}", member.id)).await.is(204);
        owner.delete(&format!("/roles/{old}")).await.is(204);

        let new = owner.post("/roles", body("roles:read")).await.is(201);
        assert_ne!(new["id"], old.as_str());
        assert_eq!((&new["memberCount"], &new["permissions"]), (&json!(0), &json!(["roles:read"])));
        owner.get(&format!("/roles/{old}")).await.refused(404, "not_found");
        owner.send(reqwest::Method::POST, &format!("/users/{}/roles/{old}", member.id), None, &[]).await.refused(404, "not_found");
        let me = member.get("/auth/me").await.is(200);
        assert_eq!((&me["roles"], &me["permissions"]), (&json!([]), &json!([])));
        member.get("/roles").await.refused(403, "permission_denied");
    }
}
