//! Tests of races between refreshing or signing in and the end of sessions: no session survives.

use futures::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::{Client, Member, PASSWORD, Reply, Server, rounds};

const OTHER: &str = "another-vivid-plank-8";
/// Number of refreshes that run against one end.
const REFRESHES: usize = 4;

async fn refresh(client: &Client, token: &str) -> Reply {
    client.post("/auth/refresh", json!({ "refreshToken": token })).await
}

/// Refreshes a session while it is being ended. Afterwards none of its tokens is valid, not even those just issued.
async fn refresh_against(server: &Server, victim: &Member, end: impl Future<Output = Reply>) {
    let client = server.client();
    let refreshes = join_all((0..REFRESHES).map(|_| refresh(&client, &victim.refresh_token)));
    let (refreshed, ended) = join(refreshes, end).await;
    assert_eq!(ended.status, 204, "{}", ended.text);
    let survivors = refreshed.into_iter().filter_map(|reply| match reply.status.as_u16() {
        200 => Some(reply.is(200)),
        _ => {
            reply.refused(401, "session_ended");
            None
        }
    });
    for data in survivors.collect::<Vec<Value>>() {
        let latest = client.with_token(data["accessToken"].as_str().unwrap());
        latest.get("/auth/me").await.refused(401, "session_ended");
        refresh(&client, data["refreshToken"].as_str().unwrap()).await.refused(401, "session_ended");
    }
    victim.get("/auth/me").await.refused(401, "session_ended");
    refresh(&client, &victim.refresh_token).await.refused(401, "session_ended");
}

on_both_databases! {
    async fn se3_no_refresh_survives_signing_out(server: Server) {
        let email = server.tenant("acme").await.owner.email;
        for round in 0..rounds(20) {
            let victim = server.sign_in(&email, "acme").await;
            let by_body = json!({ "refreshToken": victim.refresh_token });
            match round % 2 {
                0 => refresh_against(&server, &victim, victim.post("/auth/logout?siblings=true", json!({}))).await,
                _ => refresh_against(&server, &victim, server.client().post("/auth/logout", by_body)).await,
            }
        }
    }

    async fn se3_no_refresh_survives_a_revocation(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for round in 0..rounds(20) {
            let victim = server.sign_in(&owner.email, "acme").await;
            let one = format!("/auth/sessions/{}", victim.session_id().await);
            let path = if round % 2 == 0 { "/auth/sessions?scope=others" } else { one.as_str() };
            refresh_against(&server, &victim, owner.delete(path)).await;
        }
        owner.get("/auth/me").await.is(200);
    }

    async fn se3_no_refresh_survives_a_password_change(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let mut passwords = [PASSWORD, OTHER];
        for _ in 0..rounds(20) {
            let [current, new] = passwords;
            let body = json!({ "email": owner.email, "password": current });
            let data = server.client().post("/auth/login", body).await.is(200);
            let victim = Member::new(&server.client(), &data);
            let change = json!({ "currentPassword": current, "newPassword": new });
            refresh_against(&server, &victim, owner.post("/auth/password/change", change)).await;
            passwords = [new, current];
        }
        owner.get("/auth/me").await.is(200);
        refresh(&server.client(), &owner.refresh_token).await.is(200);
    }

    async fn se3_no_sign_in_with_the_old_password_survives_its_change(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let client = server.client();
        let mut passwords = [PASSWORD, OTHER];
        for _ in 0..rounds(20) {
            let [current, new] = passwords;
            let body = json!({ "email": owner.email, "password": current });
            let sign_ins = join_all((0..REFRESHES).map(|_| client.post("/auth/login", body.clone())));
            let change = json!({ "currentPassword": current, "newPassword": new });
            let (signed_in, changed) = join(sign_ins, owner.post("/auth/password/change", change)).await;
            changed.is(204);
            for reply in signed_in {
                if reply.status != 200 {
                    reply.refused(401, "invalid_credentials");
                    continue;
                }
                let data = reply.is(200);
                let survivor = client.with_token(data["accessToken"].as_str().unwrap());
                survivor.get("/auth/me").await.refused(401, "session_ended");
            }
            passwords = [new, current];
        }
        assert_eq!(server.sql.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 1);
    }

    async fn se3_no_sign_in_survives_a_deactivation_or_a_disabling(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        let client = server.client();
        let body = json!({ "email": bob.email, "password": PASSWORD, "tenantSlug": "acme" });
        let live = format!(
            "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND user_id = {} AND tenant_id = {}",
            server.sql.id(&bob.id),
            server.sql.id(&acme.id)
        );
        for round in 0..rounds(20) {
            let sign_ins = join_all((0..REFRESHES).map(|_| client.post("/auth/login", body.clone())));
            let path = format!("/users/{}", bob.id);
            let signed_in = if round % 2 == 0 {
                let deactivate = acme.owner.patch(&path, json!({ "status": "deactivated" }));
                let (signed_in, changed) = join(sign_ins, deactivate).await;
                changed.is(200);
                signed_in
            } else {
                join(sign_ins, server.disable(&bob)).await.0
            };
            for reply in signed_in {
                assert!(matches!(reply.status.as_u16(), 200 | 401), "{}", reply.text);
            }
            assert_eq!(server.sql.number(&live).await, 0, "a session survived round {round}");
            server.enable(&bob).await;
            acme.owner.patch(&path, json!({ "status": "active" })).await.is(200);
        }
    }
}
