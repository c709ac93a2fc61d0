use reqwest::Method;
use serde_json::json;

use crate::support::{Fixture, PASSWORD, routes::routes};

on_both_databases! {
    async fn ids_are_known_in_capitals_and_answered_in_lower_case(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let owner = &acme.tenant.owner;
        let mut tried = 0;
        for route in routes().iter().filter(|route| route.method == Method::GET && route.ids() > 0) {
            if matches!(route.id, "download_by_link" | "get_job") {
                continue;
            }
            let ids = acme.ids_for(route);
            let capitals: Vec<String> = ids.iter().map(|id| id.to_uppercase()).collect();
            let capitals: Vec<&str> = capitals.iter().map(String::as_str).collect();
            let known = owner.get(&route.path(&ids)).await;
            let reply = owner.get(&route.path(&capitals)).await;
            assert_eq!((reply.status.as_u16(), reply.text), (200, known.text), "{}", route.id);
            tried += 1;
        }
        assert!(tried >= 5, "{tried}");
        let (role, user) = (acme.id_for("get_role"), acme.id_for("get_user"));
        let [role_capitals, user_capitals] = [role, user].map(str::to_uppercase);
        let body = json!({ "email": "b@example.com", "roleIds": [role_capitals, role] });
        let invitation = owner.post("/invitations", body).await.is(201);
        assert_eq!(invitation["roles"].as_array().map(Vec::len), Some(1), "one role in two spellings");
        assert_eq!(invitation["roles"][0]["id"], role);
        let roles = json!({ "roleIds": [role_capitals] });
        let member = owner.put(&format!("/users/{user_capitals}/roles"), roles).await.is(200);
        assert_eq!((&member["id"], &member["roles"][0]["id"]), (&json!(user), &json!(role)));
        for (list, id) in [("/users?roleId=", role), ("/audit-logs?actorId=", &owner.id), ("/audit-logs?targetId=", role), ("/files?uploadedBy=", &owner.id)] {
            let known = owner.get(&format!("{list}{id}")).await.is(200);
            assert_ne!(known, json!([]), "{list}");
            assert_eq!(owner.get(&format!("{list}{}", id.to_uppercase())).await.is(200), known, "{list}");
        }
        owner.delete(&format!("/users/{user_capitals}/roles/{role_capitals}")).await.is(204);
        owner.post(&format!("/users/{user_capitals}/roles/{role_capitals}"), json!({})).await.is(204);
        let tokens = server.client().post("/auth/login", json!({ "email": owner.email, "password": PASSWORD })).await.is(200);
        let other = server.client().with_token(tokens["accessToken"].as_str().unwrap());
        let body = json!({ "tenantId": acme.tenant.id.to_uppercase(), "refreshToken": tokens["refreshToken"] });
        assert_eq!(other.post("/auth/switch", body).await.is(200)["tenant"]["id"], acme.tenant.id);
    }

    async fn a_well_formed_id_of_another_version_is_an_unknown_one(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let random = "1f0c9d8e-7b6a-4c5d-9e8f-0a1b2c3d4e5f";
        for list in ["/users?roleId=", "/audit-logs?actorId=", "/audit-logs?targetId=", "/files?uploadedBy="] {
            assert_eq!(owner.get(&format!("{list}{random}")).await.is(200), json!([]), "{list}");
        }
        for bad in ["x", "1f0c9d8e7b6a4c5d9e8f0a1b2c3d4e5f", "%7B1f0c9d8e-7b6a-4c5d-9e8f-0a1b2c3d4e5f%7D"] {
            owner.get(&format!("/users?roleId={bad}")).await.refused(422, "validation_failed");
            owner.get(&format!("/roles/{bad}")).await.refused(404, "not_found");
        }
        owner.get(&format!("/roles/{random}")).await.refused(404, "not_found");
    }

    async fn other_words_have_the_spellings_of_their_standards(server: Server) {
        let owner = server.tenant("acme").await.owner;
        owner.upload("plan.csv", "text/csv", b"a,b\n").await.is(201);
        // Media types, RFC 9110, 8.3.1; `T` and `Z`, RFC 3339, 5.6.
        assert_ne!(owner.get("/files?contentType=Text/CSV").await.is(200), json!([]));
        let all = owner.get("/audit-logs?from=2020-01-01T00:00:00Z").await.is(200);
        assert_eq!(owner.get("/audit-logs?from=2020-01-01t00:00:00z").await.is(200), all);
        // Words of this API have one spelling.
        for query in ["/audit-logs?outcome=Succeeded", "/users?status=ACTIVE", "/users?sort=Name", "/audit-logs/export?format=CSV"] {
            owner.get(query).await.refused(422, "validation_failed");
        }
    }
}
