use serde_json::json;

use crate::support::PASSWORD;

on_both_databases! {
    async fn a_tenant_is_read_and_changed(server: Server) {
        let acme = server.tenant("acme").await;
        let seen = acme.owner.get("/tenant").await.is(200);
        assert_eq!(seen["id"], acme.id.as_str());
        assert_eq!((&seen["slug"], &seen["plan"], &seen["status"]), (&json!("acme"), &json!("starter"), &json!("active")));
        let renamed = acme.owner.patch("/tenant", json!({ "name": "  Acme & Söhne " })).await.is(200);
        assert_eq!((&renamed["name"], &renamed["slug"]), (&json!("Acme & Söhne"), &json!("acme")));
        assert_eq!(acme.owner.get("/tenant").await.is(200), renamed);
        assert_eq!(acme.owner.get("/auth/me").await.is(200)["tenant"], renamed);
    }

    async fn a_new_slug_is_the_one_to_sign_in_with(server: Server) {
        let acme = server.tenant("acme").await;
        acme.owner.patch("/tenant", json!({ "slug": "acme-2" })).await.is(200);
        let body = |slug: &str| json!({ "email": acme.owner.email, "password": PASSWORD, "tenantSlug": slug });
        server.client().post("/auth/login", body("acme")).await.refused(401, "invalid_credentials");
        let data = server.client().post("/auth/login", body("acme-2")).await.is(200);
        assert_eq!(data["tenant"]["id"], acme.id.as_str());
        // Another tenant may take a slug that was given up; the slug then leads to that tenant only.
        let heir = server.tenant("acme").await;
        assert_ne!(heir.id, acme.id);
        server.client().post("/auth/login", body("acme")).await.refused(401, "invalid_credentials");
    }

    async fn a_change_is_told_by_field(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let reply = owner.patch("/tenant", json!({ "name": "Acme 2", "slug": "acme" })).await;
        let id = reply.request_id().to_string();
        reply.is(200);
        let entries = owner.get("/audit-logs?action=tenant.updated").await.is(200);
        assert_eq!(entries[0]["changes"], json!([{ "field": "name", "from": "acme", "to": "Acme 2" }]));
        assert_eq!(entries[0]["context"]["requestId"], id.as_str());
        let before = server.sql.dump().await;
        owner.patch("/tenant", json!({ "name": "Acme 2" })).await.is(200);
        owner.patch("/tenant", json!({})).await.is(200);
        assert_eq!(server.sql.dump().await, before, "what changes nothing leaves no trace");
    }

    async fn te5_slugs_are_one_word_of_one_form(server: Server) {
        let acme = server.tenant("acme").await;
        server.tenant("acme-b").await;
        for slug in ["acme:b", "acme/b", "acme b", "acme.b", "ACME", "acme--b", "-acme", "acme-", "äcme", "acme\u{2010}b", "acme%2Db", "api", "www"] {
            acme.owner.patch("/tenant", json!({ "slug": slug })).await.refused(422, "validation_failed");
            let body = json!({ "email": acme.owner.email, "password": PASSWORD, "tenantSlug": slug });
            server.client().post("/auth/login", body).await.refused(401, "invalid_credentials");
        }
        acme.owner.patch("/tenant", json!({ "slug": "acme-b" })).await.refused(409, "slug_taken");
        assert_eq!(acme.owner.get("/tenant").await.is(200)["slug"], "acme");
    }
}
