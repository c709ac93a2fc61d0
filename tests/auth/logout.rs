//! Tests of `POST /auth/logout`.

use reqwest::Method;
use serde_json::json;

use crate::support::{Client, Member, Reply, Server, Tenant, eventually};

/// Signs out with the access token alone, as browsers do: without a body.
async fn log_out(client: &Client, query: &str) -> Reply {
    client.send(Method::POST, &format!("/auth/logout{query}"), None, &[]).await
}

async fn is_ended(server: &Server, member: &Member) {
    member.get("/auth/me").await.refused(401, "session_ended");
    let body = json!({ "refreshToken": member.refresh_token });
    server.client().post("/auth/refresh", body).await.refused(401, "session_ended");
}

/// Creates two sessions of one sign-in, as switching creates them, and one of another.
async fn siblings(server: &Server, acme: &Tenant) -> [Member; 3] {
    let bob = server.member(acme, "member").await;
    let [one, two, apart] = [
        server.sign_in(&bob.email, "acme").await,
        server.sign_in(&bob.email, "acme").await,
        server.sign_in(&bob.email, "acme").await,
    ];
    let ids = [server.sql.id(&one.session_id().await), server.sql.id(&two.session_id().await)];
    let sql = format!(
        "UPDATE sessions SET sign_in_id = (SELECT sign_in_id FROM sessions WHERE id = {}) WHERE id = {}",
        ids[0], ids[1]
    );
    server.sql.execute(&sql).await;
    [one, two, apart]
}

on_both_databases! {
    async fn an_access_token_ends_its_session_and_no_other(server: Server) {
        let acme = server.tenant("acme").await;
        let other = server.sign_in(&acme.owner.email, "acme").await;
        let reply = log_out(&acme.owner, "").await;
        assert!(reply.header("set-cookie").starts_with("__Host-tenantry_refresh=; "), "{reply:?}");
        let events = server.sql.events_of(reply.request_id()).await;
        assert_eq!(events, [("session.ended".to_owned(), "succeeded".to_owned())]);
        reply.is(204);
        is_ended(&server, &acme.owner).await;
        other.get("/auth/me").await.is(200);
        let entry = other.get("/audit-logs?action=session.ended").await.is(200)[0].clone();
        assert_eq!((&entry["actor"]["id"], &entry["target"]["type"]), (&json!(acme.owner.id), &json!("session")));
    }

    async fn signing_out_twice_or_without_being_signed_in_is_no_mistake(server: Server) {
        let acme = server.tenant("acme").await;
        for _ in 0..2 {
            log_out(&acme.owner, "").await.is(204);
            server.client().post("/auth/logout", json!({ "refreshToken": acme.owner.refresh_token })).await.is(204);
        }
        let ended = "SELECT count(*) FROM journal WHERE action = 'session.ended'";
        assert_eq!(server.sql.number(ended).await, 1);
        server.client().send(Method::POST, "/auth/logout", None, &[]).await.is(204);
        for body in [json!({}), json!({ "refreshToken": null }), json!({ "refreshToken": "x" })] {
            server.client().post("/auth/logout", body).await.is(204);
        }
        log_out(&server.client().with_token("no.such.token"), "").await.is(204);
    }

    async fn a_refresh_token_in_the_body_ends_its_session(server: Server) {
        let acme = server.tenant("acme").await;
        let other = server.sign_in(&acme.owner.email, "acme").await;
        let token = &acme.owner.refresh_token;
        let forged = format!("{}AAAAAAAAAA", &token[..token.len() - 10]);
        server.client().post("/auth/logout", json!({ "refreshToken": forged })).await.is(204);
        acme.owner.get("/auth/me").await.is(200);
        server.client().post("/auth/logout", json!({ "refreshToken": token })).await.is(204);
        is_ended(&server, &acme.owner).await;
        other.get("/auth/me").await.is(200);
    }

    async fn siblings_end_too_when_that_is_asked_for(server: Server) {
        let acme = server.tenant("acme").await;
        let [one, two, apart] = siblings(&server, &acme).await;
        log_out(&one, "?siblings=false").await.is(204);
        is_ended(&server, &one).await;
        two.get("/auth/me").await.is(200);

        let [one, two, _] = siblings(&server, &acme).await;
        log_out(&one, "?siblings=true").await.is(204);
        is_ended(&server, &one).await;
        is_ended(&server, &two).await;
        apart.get("/auth/me").await.is(200);
    }

    async fn the_query_knows_siblings_only(server: Server) {
        let acme = server.tenant("acme").await;
        for query in ["?siblings=yes", "?siblings=", "?siblings=true&siblings=false", "?all=true"] {
            log_out(&acme.owner, query).await.refused(422, "validation_failed");
        }
        acme.owner.get("/auth/me").await.is(200);
    }
}

on_both_databases! {
    settings (ACCESS_TTL = "1s");

    async fn an_expired_access_token_still_signs_out(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        eventually("the access token has expired", async || {
            owner.get("/auth/me").await.body["error"]["code"] == "token_expired"
        })
        .await;
        log_out(owner, "").await.is(204);
        let body = json!({ "refreshToken": owner.refresh_token });
        server.client().post("/auth/refresh", body).await.refused(401, "session_ended");
    }
}
