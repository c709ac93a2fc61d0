//! Tests of `POST /auth/refresh`: one successor for each token, and the treatment of tokens that are used again.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, Member, Reply, Server, Sql, eventually, rounds};

async fn refresh(client: &Client, token: &str) -> Reply {
    client.post("/auth/refresh", json!({ "refreshToken": token })).await
}

fn token_in(data: &Value) -> &str {
    data["refreshToken"].as_str().unwrap()
}

/// Uses the access token of a response, and waits until the use is recorded.
async fn use_access_token(server: &Server, data: &Value) {
    let token = data["accessToken"].as_str().unwrap();
    server.client().with_token(token).get("/auth/me").await.is(200);
    eventually("the rotation is marked as seen", async || {
        server.sql.number("SELECT count(*) FROM sessions WHERE seen_rotation = rotation AND rotation > 0").await == 1
    })
    .await;
}

/// Makes all sessions of a user come from one sign-in, as switching does.
async fn make_siblings(server: &Server, member: &Member) {
    let user = server.sql.id(&member.id);
    let sql = format!(
        "UPDATE sessions SET sign_in_id = (SELECT sign_in_id FROM sessions WHERE user_id = {user} LIMIT 1) \
         WHERE user_id = {user}"
    );
    server.sql.execute(&sql).await;
}

/// Moves a time of every session into the past by this number of days.
async fn let_days_pass(server: &Server, column: &str, days: u32) {
    let earlier = match server.sql {
        Sql::Sqlite(_) => format!("strftime('%Y-%m-%dT%H:%M:%f+00:00', {column}, '-{days} days')"),
        Sql::Postgres(_) => format!("{column} - interval '{days} days'"),
    };
    server.sql.execute(&format!("UPDATE sessions SET {column} = {earlier}")).await;
}

/// Returns the actions in the journal that concern refreshing, oldest first.
async fn events(server: &Server) -> Vec<String> {
    let sql = "SELECT action FROM journal WHERE action IN ('session.replayed', 'session.ended') ORDER BY id";
    server.sql.texts(sql).await
}

on_both_databases! {
    async fn a_refresh_moves_the_session_on_and_leaves_no_event(server: Server) {
        let acme = server.tenant("acme").await;
        let reply = refresh(&server.client(), &acme.owner.refresh_token).await;
        let request = reply.request_id();
        let data = reply.is(200);
        assert_eq!((&data["tokenType"], &data["expiresIn"]), (&json!("Bearer"), &json!(900)));
        assert_eq!(data.as_object().unwrap().len(), 4);
        assert_ne!(token_in(&data), acme.owner.refresh_token);
        assert_eq!(server.sql.events_of(request).await, []);
        acme.owner.get("/auth/me").await.is(200);
    }

    async fn without_a_token_nobody_is_known(server: Server) {
        let client = server.client();
        for body in [Some(json!({})), Some(json!({ "refreshToken": null })), None] {
            let reply = client.send(reqwest::Method::POST, "/auth/refresh", body, &[]).await;
            let missing = reply.refused(401, "unauthenticated")["details"][0].clone();
            assert_eq!((&missing["field"], &missing["code"]), (&json!("refreshToken"), &json!("required")));
            assert!(missing["message"].as_str().unwrap().contains("refresh token"), "it says what it needs: {missing}");
        }
        client.post("/auth/refresh", json!({ "refreshToken": 7 })).await.refused(422, "validation_failed");
        client.post("/auth/refresh", json!({ "token": "x" })).await.refused(422, "validation_failed");
        for token in ["", "tr_", "tr_AAAA", &"x".repeat(100_000)] {
            refresh(&client, token).await.refused(401, "token_invalid");
        }
    }

    async fn se1_fifty_at_once_get_one_successor(server: Server) {
        let acme = server.tenant("acme").await;
        let mut token = acme.owner.refresh_token.clone();
        let client = server.client();
        for round in 1..=rounds(10) {
            let answers = join_all((0..50).map(|_| refresh(&client, &token))).await;
            let answers: Vec<Value> = answers.into_iter().map(|answer| answer.is(200)).collect();
            let successor = token_in(&answers[0]).to_owned();
            assert_ne!(successor, token);
            assert!(answers.iter().all(|data| token_in(data) == successor), "two successors in round {round}");
            token = successor;
            let rotation = server.sql.number("SELECT rotation FROM sessions").await;
            assert_eq!(rotation, i64::from(round));
        }
        acme.owner.get("/auth/me").await.is(200);
        assert_eq!(events(&server).await, [""; 0]);
    }

    async fn se1_a_wrong_signature_ends_nothing(server: Server) {
        let acme = server.tenant("acme").await;
        let other = server.tenant("other").await;
        let client = server.client();
        let token = &acme.owner.refresh_token;
        let (body, _) = token.split_at(token.len() - 10);
        let (others, _) = other.owner.refresh_token.split_at(30);
        let other_mac = format!("{}{}", &token[..30], &other.owner.refresh_token[30..]);
        for forged in [format!("{body}AAAAAAAAAA"), format!("{others}{}", &token[30..]), other_mac] {
            for _ in 0..3 {
                refresh(&client, &forged).await.refused(401, "token_invalid");
            }
        }
        assert_eq!(server.sql.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL AND rotation = 0").await, 2);
        refresh(&client, token).await.is(200);
        refresh(&client, &other.owner.refresh_token).await.is(200);
    }

    async fn within_the_grace_the_predecessor_gets_the_same_successor_although_that_is_in_use(server: Server) {
        let acme = server.tenant("acme").await;
        let first = refresh(&server.client(), &acme.owner.refresh_token).await.is(200);
        use_access_token(&server, &first).await;
        let again = refresh(&server.client(), &acme.owner.refresh_token).await.is(200);
        assert_eq!(token_in(&again), token_in(&first));
        let second = refresh(&server.client(), token_in(&first)).await.is(200);
        let third = refresh(&server.client(), token_in(&second)).await.is(200);
        assert_ne!(token_in(&third), token_in(&second));
        refresh(&server.client(), token_in(&first)).await.refused(401, "session_ended");
    }

    async fn a_session_that_is_not_refreshed_for_fourteen_days_ends(server: Server) {
        let acme = server.tenant("acme").await;
        let_days_pass(&server, "rotated_at", 13).await;
        let data = refresh(&server.client(), &acme.owner.refresh_token).await.is(200);
        let_days_pass(&server, "rotated_at", 15).await;
        refresh(&server.client(), token_in(&data)).await.refused(401, "session_ended");
        let again = server.sign_in(&acme.owner.email, "acme").await;
        let sessions = again.get("/auth/sessions").await.is(200);
        assert_eq!(sessions.as_array().map(Vec::len), Some(1), "{sessions}");
    }

    async fn a_sign_in_ends_after_ninety_days_however_much_it_is_used(server: Server) {
        let acme = server.tenant("acme").await;
        let_days_pass(&server, "expires_at", 89).await;
        let data = refresh(&server.client(), &acme.owner.refresh_token).await.is(200);
        let_days_pass(&server, "expires_at", 2).await;
        refresh(&server.client(), token_in(&data)).await.refused(401, "session_ended");
        acme.owner.get("/auth/me").await.refused(401, "session_ended");
    }
}

on_both_databases! {
    settings (REFRESH_GRACE = "0s");

    async fn se2_a_token_that_comes_back_ends_its_sign_in_and_nothing_else(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        let stolen = server.sign_in(&bob.email, "acme").await;
        make_siblings(&server, &bob).await;
        let apart = server.sign_in(&bob.email, "acme").await;
        let first = refresh(&server.client(), &stolen.refresh_token).await.is(200);
        use_access_token(&server, &first).await;

        let reply = refresh(&server.client(), &stolen.refresh_token).await;
        let request = reply.request_id();
        reply.refused(401, "session_ended");
        let left = server.sql.events_of(request).await;
        let number = |action: &str| left.iter().filter(|event| **event == (action.into(), "succeeded".into())).count();
        // Registering created the third session of the sign-in.
        assert_eq!((number("session.replayed"), number("session.ended"), left.len()), (1, 3, 4), "{left:?}");
        let entries = acme.owner.get("/audit-logs?action=session.replayed").await.is(200);
        assert_eq!(entries[0]["actor"]["id"], bob.id);

        let latest = server.client().with_token(first["accessToken"].as_str().unwrap());
        for client in [&stolen.client, &bob.client, &latest] {
            client.get("/auth/me").await.refused(401, "session_ended");
        }
        for token in [token_in(&first), &stolen.refresh_token, &bob.refresh_token] {
            refresh(&server.client(), token).await.refused(401, "session_ended");
        }
        assert_eq!(events(&server).await.len(), 4, "once is enough");
        apart.get("/auth/me").await.is(200);
        refresh(&server.client(), &apart.refresh_token).await.is(200);
        acme.owner.get("/auth/me").await.is(200);
    }

    async fn se2_a_successor_counts_as_seen_when_it_was_refreshed(server: Server) {
        let acme = server.tenant("acme").await;
        let first = refresh(&server.client(), &acme.owner.refresh_token).await.is(200);
        refresh(&server.client(), token_in(&first)).await.is(200);
        refresh(&server.client(), &acme.owner.refresh_token).await.refused(401, "session_ended");
        acme.owner.get("/auth/me").await.refused(401, "session_ended");
    }

    async fn se2_a_lost_answer_is_given_again_however_late(server: Server) {
        let acme = server.tenant("acme").await;
        let token = &acme.owner.refresh_token;
        let lost = refresh(&server.client(), token).await.is(200);
        let_days_pass(&server, "rotated_at", 1).await;
        for _ in 0..3 {
            acme.owner.get("/auth/me").await.is(200);
            let again = refresh(&server.client(), token).await.is(200);
            assert_eq!(token_in(&again), token_in(&lost));
        }
        assert_eq!(server.sql.number("SELECT rotation FROM sessions").await, 1);
        use_access_token(&server, &lost).await;
        refresh(&server.client(), token).await.refused(401, "session_ended");
    }
}
