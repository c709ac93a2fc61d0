use serde_json::json;

use crate::support::PASSWORD;

on_both_databases! {
    async fn registering_makes_a_person_a_tenant_and_a_session(server: Server) {
        let body = json!({
            "email": "Ada@Example.com", "password": PASSWORD, "name": "Ada Lovelace", "tenantName": "Analytical Engines"
        });
        let data = server.client().post("/auth/register", body).await.is(201);
        assert_eq!(data["user"]["email"], "ada@example.com");
        assert_eq!(data["tenant"]["slug"], "analytical-engines");
        assert_eq!(data["tokenType"], "Bearer");
        assert_eq!(data["expiresIn"], 900);
        let ada = server.client().with_token(data["accessToken"].as_str().unwrap());
        let me = ada.get("/auth/me").await.is(200);
        assert_eq!(me["user"], data["user"]);
        assert_eq!(me["tenant"], data["tenant"]);
        assert_eq!(me["roles"][0]["name"], "owner");
        assert_eq!(me["permissions"].as_array().map(Vec::len), Some(21));
    }

    async fn a_known_address_is_refused_and_leaves_nothing(server: Server) {
        let body = |slug: &str| json!({
            "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "tenantName": "X", "tenantSlug": slug
        });
        server.client().post("/auth/register", body("first")).await.is(201);
        server.client().post("/auth/register", body("second")).await.refused(409, "email_taken");
        assert_eq!(server.sql.number("SELECT count(*) FROM tenants").await, 1);
        assert_eq!(server.sql.number("SELECT count(*) FROM journal").await, 4);
    }
}
