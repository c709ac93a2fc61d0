//! Tests of `POST /auth/switch`: sessions of one sign-in in several tenants.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_kernel::TenantStatus;

use crate::support::{Client, Member, Reply, Server, Tenant, claims_of};

async fn switch(by: &Client, tenant: &str, refresh_token: &str) -> Reply {
    by.post("/auth/switch", json!({ "tenantId": tenant, "refreshToken": refresh_token })).await
}

/// Creates a user with two tenants, signed in to the first, and by a sibling session to the second.
async fn two_places(server: &Server) -> (Tenant, Member, Member, Value) {
    let acme = server.tenant("acme").await;
    let bob = server.tenant("bobs").await.owner;
    server.join(&acme, &bob.email, "member").await;
    let reply = switch(&bob, &acme.id, &bob.refresh_token).await.is(200);
    let there = Member::new(&server.client(), &reply);
    (acme, bob, there, reply)
}

async fn refresh(server: &Server, token: &str) -> Reply {
    server.client().post("/auth/refresh", json!({ "refreshToken": token })).await
}

/// Returns one column of the sessions of two members.
async fn of_sessions(server: &Server, column: &str, members: [&Member; 2]) -> Vec<String> {
    let mut values = Vec::new();
    for member in members {
        let session = claims_of(member.access_token.as_deref().unwrap())["sid"].as_str().unwrap().to_owned();
        let column = match server.sql {
            crate::support::Sql::Sqlite(_) => format!("hex({column})"),
            crate::support::Sql::Postgres(_) => format!("{column}::text"),
        };
        let sql = format!("SELECT {column} FROM sessions WHERE id = {}", server.sql.id(&session));
        values.extend(server.sql.texts(&sql).await);
    }
    values
}

on_both_databases! {
    async fn a_sibling_works_in_the_other_tenant_and_leaves_the_first_alive(server: Server) {
        let (acme, bob, there, reply) = two_places(&server).await;
        assert_eq!((&reply["tenant"]["id"], &reply["user"]["id"]), (&json!(acme.id), &json!(bob.id)));
        assert_eq!(there.get("/tenant").await.is(200)["slug"], "acme");
        assert_eq!(bob.get("/tenant").await.is(200)["slug"], "bobs");
        there.get("/audit-logs").await.refused(403, "permission_denied");
        bob.get("/audit-logs").await.is(200);
    }

    async fn siblings_share_their_sign_in_and_its_end(server: Server) {
        let (_acme, bob, there, _) = two_places(&server).await;
        for column in ["sign_in_id", "expires_at"] {
            let values = of_sessions(&server, column, [&bob, &there]).await;
            assert_eq!(values[0], values[1], "{column}");
        }
        let apart = server.sign_in(&bob.email, "bobs").await;
        bob.send(Method::POST, "/auth/logout?siblings=true", None, &[]).await.is(204);
        for ended in [&bob, &there] {
            ended.get("/auth/me").await.refused(401, "session_ended");
            refresh(&server, &ended.refresh_token).await.refused(401, "session_ended");
        }
        apart.get("/auth/me").await.is(200);
    }

    async fn se2_a_replay_of_one_ends_its_siblings(server: Server) {
        let (_acme, bob, there, _) = two_places(&server).await;
        let mut token = there.refresh_token.clone();
        for _ in 0..2 {
            token = refresh(&server, &token).await.is(200)["refreshToken"].as_str().unwrap().to_owned();
        }
        refresh(&server, &there.refresh_token).await.refused(401, "session_ended");
        for ended in [&bob, &there] {
            ended.get("/auth/me").await.refused(401, "session_ended");
        }
        refresh(&server, &bob.refresh_token).await.refused(401, "session_ended");
        refresh(&server, &token).await.refused(401, "session_ended");
    }

    async fn the_session_that_asks_may_end(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.tenant("bobs").await.owner;
        server.join(&acme, &bob.email, "member").await;
        let body = json!({ "tenantId": acme.id, "refreshToken": bob.refresh_token, "endCurrent": true });
        let there = Member::new(&server.client(), &bob.post("/auth/switch", body).await.is(200));
        bob.get("/auth/me").await.refused(401, "session_ended");
        there.get("/tenant").await.is(200);
    }

    async fn te1_a_tenant_that_is_not_yours_is_not_there(server: Server) {
        let (acme, bob, there, _) = two_places(&server).await;
        let others = server.tenant("others").await;
        let is_not_there = async |tenant: &str| {
            let mut error = switch(&bob, tenant, &bob.refresh_token).await.refused(422, "validation_failed");
            assert_eq!(error["details"][0]["field"], "tenantId");
            assert_eq!(error["details"][0]["code"], "not_found");
            error.take()
        };
        let unknown = is_not_there("0192f0c1-2345-7abc-8def-0123456789ab").await;
        assert_eq!(is_not_there(&others.id).await, unknown);
        assert_eq!(is_not_there("x").await, unknown);
        let path = format!("/users/{}", bob.id);
        acme.owner.patch(&path, json!({ "status": "deactivated" })).await.is(200);
        assert_eq!(is_not_there(&acme.id).await, unknown);
        there.get("/auth/me").await.refused(401, "session_ended");
        acme.owner.patch(&path, json!({ "status": "active" })).await.is(200);
        there.get("/auth/me").await.refused(401, "session_ended");
        switch(&bob, &acme.id, &bob.refresh_token).await.is(200);
        acme.owner.delete(&path).await.is(204);
        assert_eq!(is_not_there(&acme.id).await, unknown);
        bob.get("/tenant").await.is(200);
    }

    async fn a_suspended_tenant_is_closed(server: Server) {
        let (acme, bob, _, _) = two_places(&server).await;
        server.set_status(&acme, TenantStatus::Suspended).await;
        switch(&bob, &acme.id, &bob.refresh_token).await.refused(403, "tenant_suspended");
    }

    async fn tk3_an_access_token_needs_its_own_refresh_token_to_switch(server: Server) {
        let (acme, bob, there, _) = two_places(&server).await;
        let apart = server.sign_in(&bob.email, "bobs").await;
        let before = server.sql.number("SELECT count(*) FROM sessions").await;
        let access = bob.access_token.clone().unwrap();
        for token in [&there.refresh_token, &apart.refresh_token, &acme.owner.refresh_token, &access, &"tr_x".to_owned()] {
            switch(&bob, &acme.id, token).await.refused(401, "token_invalid");
        }
        bob.post("/auth/switch", json!({ "tenantId": acme.id })).await.refused(401, "token_invalid");
        assert_eq!(server.sql.number("SELECT count(*) FROM sessions").await, before);
        server.client().post("/auth/switch", json!({ "tenantId": acme.id, "refreshToken": bob.refresh_token })).await
            .refused(401, "unauthenticated");
        switch(&bob, &acme.id, &bob.refresh_token).await.is(200);
    }
}
