//! Tests of the changes that end sessions, besides signing out. They take effect on the next request, and last.

use serde_json::{Value, json};
use std::time::Duration;
use tenantry_kernel::TenantStatus;

use crate::support::{Member, PASSWORD, Server, Tenant, within};

const NEW: &str = "another-vivid-plank-8";
/// Maximum time until a change by the command line, which is another process, takes effect.
const PROPAGATED: Duration = Duration::from_millis(250);

async fn is_signed_out(server: &Server, member: &Member) {
    member.get("/auth/me").await.refused(401, "session_ended");
    let body = json!({ "refreshToken": member.refresh_token });
    server.client().post("/auth/refresh", body).await.refused(401, "session_ended");
}

async fn is_signed_in(server: &Server, member: &Member) {
    member.get("/auth/me").await.is(200);
    let body = json!({ "refreshToken": member.refresh_token });
    server.client().post("/auth/refresh", body).await.is(200);
}

async fn sign_in_home(server: &Server, member: &Member) -> Member {
    let body = json!({ "email": member.email, "password": PASSWORD });
    let data = server.client().post("/auth/login", body).await.is(200);
    let tenants = data["tenants"].as_array().unwrap();
    let home = tenants.iter().find(|tenant| tenant["slug"].as_str().unwrap().starts_with("home-")).unwrap();
    server.sign_in(&member.email, home["slug"].as_str().unwrap()).await
}

async fn set_status(by: &Member, member: &Member, status: &str) {
    by.patch(&format!("/users/{}", member.id), json!({ "status": status })).await.is(200);
}

/// Creates a member with a session in the tenant and one in the member's own tenant, both cached.
async fn member_at_two_places(server: &Server, acme: &Tenant) -> (Member, Member) {
    let bob = server.member(acme, "member").await;
    let home = sign_in_home(server, &bob).await;
    bob.get("/tenant").await.is(200);
    home.get("/tenant").await.is(200);
    (bob, home)
}

on_both_databases! {
    async fn se4_a_password_change_ends_the_others_in_every_tenant(server: Server) {
        let acme = server.tenant("acme").await;
        let (bob, home) = member_at_two_places(&server, &acme).await;
        let second = server.sign_in(&bob.email, "acme").await;
        second.get("/auth/me").await.is(200);
        let body = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
        bob.post("/auth/password/change", body).await.is(204);
        is_signed_out(&server, &second).await;
        is_signed_out(&server, &home).await;
        is_signed_in(&server, &bob).await;
        is_signed_in(&server, &acme.owner).await;
    }

    async fn se4_a_deactivated_member_is_out_at_once_and_for_good(server: Server) {
        let acme = server.tenant("acme").await;
        let (bob, home) = member_at_two_places(&server, &acme).await;
        set_status(&acme.owner, &bob, "deactivated").await;
        is_signed_out(&server, &bob).await;
        is_signed_in(&server, &home).await;
        set_status(&acme.owner, &bob, "active").await;
        is_signed_out(&server, &bob).await;
        let again = server.sign_in(&bob.email, "acme").await;
        is_signed_in(&server, &again).await;
        is_signed_out(&server, &bob).await;
    }

    async fn se4_a_removed_member_is_out_at_once_and_for_good(server: Server) {
        let acme = server.tenant("acme").await;
        let (bob, home) = member_at_two_places(&server, &acme).await;
        acme.owner.delete(&format!("/users/{}", bob.id)).await.is(204);
        is_signed_out(&server, &bob).await;
        is_signed_in(&server, &home).await;
        server.join(&acme, &bob.email, "member").await;
        is_signed_out(&server, &bob).await;
        is_signed_in(&server, &server.sign_in(&bob.email, "acme").await).await;
    }

    async fn se4_a_lost_role_takes_effect_on_the_next_request(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "admin").await;
        for _ in 0..5 {
            bob.get("/audit-logs").await.is(200);
            acme.owner.put(&format!("/users/{}/roles", bob.id), json!({ "roleIds": [] })).await.is(200);
            bob.get("/audit-logs").await.refused(403, "permission_denied");
            let me = bob.get("/auth/me").await.is(200);
            assert_eq!((&me["roles"], &me["permissions"]), (&json!([]), &json!([])));
            let roles = acme.owner.get("/roles").await.is(200);
            let admin = roles.as_array().unwrap().iter().find(|role| role["name"] == "admin").unwrap()["id"].clone();
            let body = json!({ "roleIds": [admin] });
            acme.owner.put(&format!("/users/{}/roles", bob.id), body).await.is(200);
        }
    }

    async fn se4_a_disabled_person_is_out_everywhere_and_for_good(server: Server) {
        let acme = server.tenant("acme").await;
        let (bob, home) = member_at_two_places(&server, &acme).await;
        server.disable(&bob).await;
        for member in [&bob, &home] {
            within(PROPAGATED, "the session has ended", async || member.get("/auth/me").await.status == 401).await;
            is_signed_out(&server, member).await;
        }
        let body = json!({ "email": bob.email, "password": PASSWORD });
        server.client().post("/auth/login", body).await.refused(401, "invalid_credentials");
        server.enable(&bob).await;
        is_signed_in(&server, &server.sign_in(&bob.email, "acme").await).await;
        is_signed_out(&server, &bob).await;
        is_signed_out(&server, &home).await;
    }

    async fn se4_a_suspended_tenant_lets_its_people_see_and_leave_only(server: Server) {
        let acme = server.tenant("acme").await;
        let (bob, home) = member_at_two_places(&server, &acme).await;
        server.order_status(&acme, TenantStatus::Suspended).await;
        within(PROPAGATED, "the tenant is closed", async || bob.get("/tenant").await.status == 403).await;
        for path in ["/tenant", "/users", "/roles", "/permissions"] {
            acme.owner.get(path).await.refused(403, "tenant_suspended");
        }
        acme.owner.patch("/users/x", json!({ "status": "active" })).await.refused(403, "tenant_suspended");
        assert_eq!(bob.get("/auth/me").await.is(200)["tenant"]["status"], "suspended");
        bob.get("/auth/sessions").await.is(200);
        is_signed_in(&server, &home).await;
        home.get("/tenant").await.is(200);

        let body = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
        bob.post("/auth/password/change", body).await.is(204);
        is_signed_out(&server, &home).await;
        bob.delete("/auth/sessions?scope=others").await.is(204);
        acme.owner.post("/auth/logout", json!({})).await.is(204);
        is_signed_out(&server, &acme.owner).await;

        server.order_status(&acme, TenantStatus::Active).await;
        within(PROPAGATED, "the tenant is open", async || bob.get("/tenant").await.status == 200).await;
        is_signed_in(&server, &bob).await;
        is_signed_out(&server, &acme.owner).await;
    }

    async fn se4_one_tenants_admin_ends_nobodys_session_in_another(server: Server) {
        let acme = server.tenant("acme").await;
        let (bob, home) = member_at_two_places(&server, &acme).await;
        let admin = server.member(&acme, "admin").await;
        for session in [bob.session_id().await, home.session_id().await] {
            admin.delete(&format!("/auth/sessions/{session}")).await.refused(404, "not_found");
        }
        admin.delete("/auth/sessions?scope=all").await.is(204);
        let other = server.tenant("other").await.owner;
        let path = format!("/users/{}", home.id);
        other.patch(&path, json!({ "status": "deactivated" })).await.refused(404, "not_found");
        other.delete(&path).await.refused(404, "not_found");
        is_signed_in(&server, &bob).await;
        acme.owner.delete(&path).await.is(204);
        is_signed_in(&server, &home).await;
        let ended = format!(
            "SELECT count(*) FROM sessions WHERE user_id = {} AND tenant_id <> {} AND ended_at IS NOT NULL",
            server.sql.id(&bob.id),
            server.sql.id(&acme.id)
        );
        assert_eq!(server.sql.number(&ended).await, 0);
    }

    async fn se4_a_session_knows_its_end_in_the_log(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        let session = bob.session_id().await;
        set_status(&acme.owner, &bob, "deactivated").await;
        let entries = acme.owner.get("/audit-logs?action=session.ended").await.is(200);
        let [entry] = entries.as_array().unwrap().as_slice() else { panic!("{entries}") };
        assert_eq!((&entry["target"]["id"], &entry["actor"]["id"]), (&json!(session), &json!(acme.owner.id)));
        let reason = json!({ "field": "reason", "from": Value::Null, "to": "membership_deactivated" });
        assert!(entry["changes"].as_array().unwrap().contains(&reason), "{entry}");
    }
}
