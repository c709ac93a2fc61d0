use serde_json::json;

on_both_databases! {
    async fn te7_whoever_comes_back_inherits_nothing(server: Server) {
        let acme = server.tenant("acme").await;
        let member = server.member(&acme, "admin").await;
        let path = format!("/users/{}", member.id);
        member.get("/audit-logs").await.is(200);
        acme.owner.delete(&path).await.is(204);
        acme.owner.get(&path).await.refused(404, "not_found");
        member.get("/auth/me").await.refused(401, "session_ended");

        server.join(&acme, &member.email, "viewer").await;
        let back = acme.owner.get(&path).await;
        let user = back.is(200);
        assert_eq!(user["roles"].as_array().map(Vec::len), Some(1));
        assert_eq!(user["roles"][0]["name"], "viewer");
        member.get("/auth/me").await.refused(401, "session_ended");
        let refresh = json!({ "refreshToken": member.refresh_token });
        server.client().post("/auth/refresh", refresh).await.refused(401, "session_ended");
        let again = server.sign_in(&member.email, "acme").await;
        again.get("/users").await.is(200);
        again.get("/audit-logs").await.refused(403, "permission_denied");
    }

    async fn whoever_is_taken_out_stays_a_person(server: Server) {
        let acme = server.tenant("acme").await;
        let member = server.member(&acme, "viewer").await;
        acme.owner.delete(&format!("/users/{}", member.id)).await.is(204);
        let body = json!({ "email": member.email, "password": crate::support::PASSWORD, "tenantSlug": "acme" });
        server.client().post("/auth/login", body).await.refused(401, "invalid_credentials");
        let body = json!({ "email": member.email, "password": crate::support::PASSWORD });
        let home = server.client().post("/auth/login", body).await.is(200);
        assert_eq!(home["user"]["id"], member.id.as_str());
        assert_ne!(home["tenant"]["slug"], "acme");
    }
}
