mod acceptors;
mod fixture;
mod strangers;
mod validity;

use serde_json::json;

use crate::support::{CHOSEN, PASSWORD};
pub(crate) use fixture::fixture;

on_both_databases! {
    async fn somebody_new_joins_by_an_invitation(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let mail = server.invite(&acme, "fay@fay.example", "member").await;
        let offer = server.client().post("/invitations/lookup", json!({ "token": mail.token() })).await.is(200);
        assert_eq!((&offer["tenant"]["slug"], &offer["email"]), (&json!("acme"), &json!("fay@fay.example")));
        assert_eq!((&offer["inviter"], &offer["newPerson"]), (&json!("Olga Owner"), &json!(true)));
        let body = json!({ "token": mail.token(), "password": CHOSEN, "name": "Fay" });
        let data = server.client().post("/invitations/accept", body).await.is(201);
        assert_eq!((&data["user"]["name"], &data["user"]["emailVerified"]), (&json!("Fay"), &json!(true)));
        let fay = server.client().with_token(data["accessToken"].as_str().unwrap());
        assert_eq!(fay.get("/auth/me").await.is(200)["roles"][0]["name"], "member");
        let list = acme.owner.get("/invitations").await.is(200);
        assert_eq!(list[0]["status"], "accepted");
        let body = json!({ "email": "fay@fay.example", "password": CHOSEN });
        assert_eq!(server.client().post("/auth/login", body).await.is(200)["tenant"]["slug"], "acme");
    }

    async fn a_role_that_is_offered_stays(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let role = acme.owner.post("/roles", json!({ "name": "support", "permissions": [] })).await.is(201);
        let path = format!("/roles/{}", role["id"].as_str().unwrap());
        server.invite(&acme, "fay@fay.example", "support").await;
        acme.owner.delete(&path).await.refused(409, "role_in_use");
        let open = acme.owner.get("/invitations").await.is(200);
        acme.owner.delete(&format!("/invitations/{}", open[0]["id"].as_str().unwrap())).await.is(204);
        acme.owner.delete(&path).await.is(204);

        let role = acme.owner.post("/roles", json!({ "name": "late", "permissions": [] })).await.is(201);
        let path = format!("/roles/{}", role["id"].as_str().unwrap());
        let mail = server.invite(&acme, "gus@gus.example", "late").await;
        acme.owner.delete(&path).await.refused(409, "role_in_use");
        server.let_links_expire().await;
        acme.owner.delete(&path).await.is(204);
        // The remaining invitation gives no role: it cannot be renewed, and its link is invalid.
        let open = acme.owner.get("/invitations").await.is(200);
        let resend = format!("/invitations/{}/resend", open[0]["id"].as_str().unwrap());
        acme.owner.post(&resend, json!({})).await.refused(409, "invalid_state");
        server.client().post("/invitations/lookup", json!({ "token": mail.token() })).await.refused(422, "link_invalid");
    }

    async fn an_unproved_address_bites_at_inviting_and_handing_over_only(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        let admin = server.member(&acme, "admin").await;
        server.verify(&admin).await;
        let bob = server.member(&acme, "viewer").await;
        let viewer = acme.role("viewer").await;
        let fay = json!({ "email": "fay@fay.example", "roleIds": [viewer] });
        let open = admin.post("/invitations", fay.clone()).await.is(201);
        let path = format!("/invitations/{}", open["id"].as_str().unwrap());

        owner.post("/invitations", fay).await.refused(403, "email_unverified");
        owner.post(&format!("{path}/resend"), json!({})).await.refused(403, "email_unverified");
        owner.post("/tenant/transfer", json!({ "userId": bob.id })).await.refused(403, "email_unverified");

        owner.get("/invitations").await.is(200);
        owner.delete(&path).await.is(204);
        let role = owner.post("/roles", json!({ "name": "support", "permissions": ["users:read"] })).await.is(201);
        let role = role["id"].as_str().unwrap();
        owner.patch(&format!("/roles/{role}"), json!({ "permissions": [] })).await.is(200);
        owner.put(&format!("/users/{}/roles", bob.id), json!({ "roleIds": [role] })).await.is(200);
        owner.patch(&format!("/users/{}", bob.id), json!({ "status": "deactivated" })).await.is(200);
        owner.delete(&format!("/users/{}", bob.id)).await.is(204);
        owner.patch("/tenant", json!({ "name": "Acme & Co" })).await.is(200);
        owner.post("/tenants", json!({ "name": "Second" })).await.is(201);
        let change = json!({ "currentPassword": PASSWORD, "newPassword": CHOSEN });
        owner.post("/auth/password/change", change).await.is(204);
        // The verification takes effect at once.
        server.verify(owner).await;
        owner.post("/tenant/transfer", json!({ "userId": admin.id })).await.is(204);
    }
}
