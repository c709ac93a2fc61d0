use serde_json::json;
use tenantry_store::{OutdatedKeys, Scope, SystemReason};

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

    async fn te5_invisible_and_look_alike_names_are_told_apart_or_refused(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let create = async |name: &str| owner.post("/roles", json!({ "name": name, "permissions": [] })).await;
        let own = create("sup\u{ad}port").await.is(201);
        assert_eq!(own["name"], "sup\u{ad}port", "it is shown as it is");
        let path = format!("/roles/{}", own["id"].as_str().unwrap());
        for name in ["admin\u{200b}", "ad\u{ad}min", "\u{2060}admin", "admin\u{fe0f}", "owner\u{200d}", "аdmin", "οWNER"] {
            create(name).await.refused(409, "role_name_taken");
            owner.patch(&path, json!({ "name": name })).await.refused(409, "role_name_taken");
        }
        create("support").await.refused(409, "role_name_taken");
        for name in ["\u{200b}", "\u{3164}", "\u{2800}", "\u{2800} \u{ad}"] {
            for reply in [
                create(name).await,
                owner.patch(&path, json!({ "name": name })).await,
                owner.patch("/auth/me", json!({ "name": name })).await,
                owner.patch("/tenant", json!({ "name": name })).await,
            ] {
                let error = reply.refused(422, "validation_failed");
                assert_eq!(error["details"][0]["message"], "This must have a visible character.", "{error}");
            }
        }
    }

    async fn names_and_keys_of_an_older_version_stay_until_their_row_is_written(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let counted = async || {
            let mut unit = server.app.store.read(Scope::System(SystemReason::Maintenance)).await.unwrap();
            unit.outdated_keys().await.unwrap()
        };
        assert_eq!(counted().await, OutdatedKeys { roles: 0, members: 0, files: 0 });
        let role = owner.post("/roles", json!({ "name": "x", "permissions": [] })).await.is(201);
        let path = format!("/roles/{}", role["id"].as_str().unwrap());
        server.sql.execute("UPDATE roles SET name = 'admin\u{200b}', name_key = 'admin\u{200b}' WHERE name = 'x'").await;
        server.sql.execute("UPDATE users SET name = '\u{200b}'").await;
        server.sql.execute("UPDATE memberships SET name_key = '\u{200b}'").await;
        assert_eq!(owner.get(&path).await.is(200)["name"], "admin\u{200b}");
        assert_eq!(owner.get("/users").await.is(200)[0]["name"], "\u{200b}");
        assert_eq!(counted().await, OutdatedKeys { roles: 1, members: 1, files: 0 });
        // Its key is now that of a default role.
        owner.patch(&path, json!({ "description": "x" })).await.refused(409, "role_name_taken");
        owner.patch(&path, json!({ "name": "gatekeepers" })).await.is(200);
        owner.patch("/auth/me", json!({ "name": "Ada\u{200b}" })).await.is(200);
        assert_eq!(counted().await, OutdatedKeys { roles: 0, members: 0, files: 0 });
        assert_eq!(server.sql.texts("SELECT name_key FROM memberships").await, ["ada"]);
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
