use reqwest::Method;
use serde_json::json;

use crate::support::{Member, PASSWORD};

on_both_databases! {
    async fn whoever_leaves_their_only_tenant_stays_a_person_and_founds_another(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let mail = server.invite(&acme, "fay@fay.example", "member").await;
        let body = json!({ "token": mail.token(), "password": PASSWORD, "name": "Fay" });
        let nobody = server.client();
        let fay = Member::new(&nobody, &nobody.post("/invitations/accept", body).await.is(201));
        fay.send(Method::POST, "/tenant/leave", None, &[]).await.is(204);
        fay.get("/auth/me").await.refused(401, "session_ended");
        acme.owner.get(&format!("/users/{}", fay.id)).await.refused(404, "not_found");
        let body = json!({ "email": fay.email, "password": PASSWORD, "tenantSlug": "acme" });
        nobody.post("/auth/login", body).await.refused(401, "invalid_credentials");

        let data = nobody.post("/auth/login", json!({ "email": fay.email, "password": PASSWORD })).await.is(200);
        assert_eq!((&data["tenant"], &data["tenants"]), (&json!(null), &json!([])));
        let fay = Member::new(&nobody, &data);
        let me = fay.get("/auth/me").await.is(200);
        assert_eq!((&me["tenant"], &me["roles"], &me["permissions"]), (&json!(null), &json!([]), &json!([])));
        for path in ["/tenant", "/users", "/roles", "/invitations", "/audit-logs"] {
            fay.get(path).await.refused(403, "tenant_required");
        }
        fay.send(Method::POST, "/tenant/leave", None, &[]).await.refused(403, "tenant_required");
        assert_eq!(fay.get("/tenants").await.is(200), json!([]));

        let own = fay.post("/tenants", json!({ "name": "Fay's" })).await.is(201);
        assert_eq!(fay.get("/auth/me").await.is(200)["tenant"], json!(null));
        fay.get("/tenant").await.refused(403, "tenant_required");
        let body = json!({ "tenantId": own["id"], "refreshToken": fay.refresh_token });
        let there = Member::new(&nobody, &fay.post("/auth/switch", body).await.is(200));
        assert_eq!(there.get("/auth/me").await.is(200)["roles"][0]["name"], "owner");
        assert_eq!(there.get("/tenants").await.is(200)[0]["id"], own["id"]);
    }

    async fn te4_the_last_owner_hands_over_before_they_leave(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let (owner, heir) = (&acme.owner, server.member(&acme, "viewer").await);
        owner.send(Method::POST, "/tenant/leave", None, &[]).await.refused(409, "last_owner");
        owner.post("/tenant/transfer", json!({ "userId": heir.id })).await.is(204);
        let roles = |me: &serde_json::Value| {
            let roles = me["roles"].as_array().unwrap().iter();
            let mut names: Vec<String> = roles.map(|role| role["name"].as_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(roles(&owner.get("/auth/me").await.is(200)), ["admin"]);
        assert_eq!(roles(&heir.get("/auth/me").await.is(200)), ["owner", "viewer"]);
        owner.post("/tenant/transfer", json!({ "userId": owner.id })).await.refused(403, "permission_denied");
        owner.send(Method::POST, "/tenant/leave", None, &[]).await.is(204);
        heir.send(Method::POST, "/tenant/leave", None, &[]).await.refused(409, "last_owner");
    }

    async fn te3_a_tenant_is_handed_over_by_an_owner_to_an_active_member_only(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let admin = server.member(&acme, "admin").await;
        server.verify(&admin).await;
        let (idle, disabled) = (server.member(&acme, "member").await, server.member(&acme, "member").await);
        let stranger = server.tenant("elsewhere").await.owner;
        let to = |id: &str| json!({ "userId": id });
        admin.post("/tenant/transfer", to(&admin.id)).await.refused(403, "permission_denied");
        acme.owner.patch(&format!("/users/{}", idle.id), json!({ "status": "deactivated" })).await.is(200);
        server.disable(&disabled).await;
        for id in [&idle.id, &disabled.id, &acme.owner.id] {
            acme.owner.post("/tenant/transfer", to(id)).await.refused(409, "invalid_state");
        }
        let unknown = acme.owner.post("/tenant/transfer", to("0192f0c1-2345-7abc-8def-0123456789ab")).await;
        let unknown = unknown.refused(422, "validation_failed");
        let foreign = acme.owner.post("/tenant/transfer", to(&stranger.id)).await.refused(422, "validation_failed");
        assert_eq!(foreign, unknown);
    }
}
