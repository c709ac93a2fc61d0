//! Tests of servers that are killed without warning.

use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    kills,
    ledger::{assert_clean, assert_done_once, report, report_replays},
    load::Load,
    on_each_database,
    process::{Process, settings},
    some_of,
};
use crate::support::{Client, Kind, PASSWORD, Reply, ServerData, Settings};

/// Number of acknowledged requests before each kill, which follows at a random time.
const BETWEEN_KILLS: usize = 15;
const SOME_MOMENT: Duration = Duration::from_millis(150);

/// Makes the second session a sibling of the first, as switching between tenants does.
const MAKE_SIBLING: &str = "UPDATE sessions SET sign_in_id =
    (SELECT sign_in_id FROM sessions ORDER BY created_at, id LIMIT 1) WHERE id =
    (SELECT id FROM sessions ORDER BY created_at, id LIMIT 1 OFFSET 1)";

on_each_database! {
    async fn fa1_killed_under_load(kind: Kind) {
        let place = ServerData::new(kind).await;
        let mut server = Process::start(&place, &settings()).await;
        let load = Load::start(server.url());
        for _ in 0..kills() {
            load.progress(BETWEEN_KILLS).await;
            tokio::time::sleep(some_of(SOME_MOMENT)).await;
            server.kill();
            server = Process::start(&place, &settings()).await;
            load.redirect(server.url());
        }
        load.progress(BETWEEN_KILLS).await;
        let books = load.finish().await;
        assert_ne!(*books.unanswered.read().unwrap(), [""; 0], "no kill came while a client waited for an answer");
        report("FA1", &books);
        assert_clean(&books, &place.sql().await).await;
    }

    async fn fa2_whoever_lost_an_answer_asks_again_and_hears_the_first(kind: Kind) {
        let place = ServerData::new(kind).await;
        let mut server = Process::start(&place, &settings()).await;
        let replays = Arc::new(AtomicUsize::new(0));
        let load = Load::of(server.url(), |books, stop| books.insist(stop, replays.clone()));
        for _ in 0..kills() {
            load.progress(BETWEEN_KILLS).await;
            tokio::time::sleep(some_of(SOME_MOMENT)).await;
            server.kill();
            server = Process::start(&place, &settings()).await;
            load.redirect(server.url());
        }
        load.progress(BETWEEN_KILLS).await;
        let books = load.finish().await;
        report("FA2", &books);
        report_replays(replays.load(Ordering::Relaxed));
        assert_done_once(&books, &place.sql().await).await;
    }

    async fn se2_an_old_token_replayed_after_a_kill_ends_the_sign_in(kind: Kind) {
        let place = ServerData::new(kind).await;
        let settings = without_grace();
        let server = Process::start(&place, &settings).await;
        let stolen_from = Person::register(&server, &place).await;
        let sibling = stolen_from.sign_in().await;
        let elsewhere = stolen_from.sign_in().await;
        place.sql().await.execute(MAKE_SIBLING).await;
        let successor = stolen_from.refresh(&stolen_from.tokens).await.is(200);
        stolen_from.with(&successor).get("/auth/me").await.is(200);
        server.kill();

        let server = Process::start(&place, &settings).await;
        let person = stolen_from.at(&server, &place).await;
        person.refresh(&person.tokens).await.refused(401, "session_ended");
        person.refresh(&successor).await.refused(401, "session_ended");
        person.with(&successor).get("/auth/me").await.refused(401, "session_ended");
        person.with(&sibling).get("/auth/me").await.refused(401, "session_ended");
        person.with(&elsewhere).get("/auth/me").await.is(200);
        let sql = place.sql().await;
        let ended = "SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL AND end_reason = 'replayed'";
        assert_eq!(sql.number(ended).await, 2);
        assert_eq!(sql.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 1);
        assert_eq!(sql.number("SELECT count(*) FROM journal WHERE action = 'session.replayed'").await, 1);
    }

    async fn se2_an_answer_lost_with_the_server_still_gets_its_successor(kind: Kind) {
        let place = ServerData::new(kind).await;
        let settings = without_grace();
        let server = Process::start(&place, &settings).await;
        let person = Person::register(&server, &place).await;
        let lost = person.refresh(&person.tokens).await.is(200);
        server.kill();

        let server = Process::start(&place, &settings).await;
        let person = person.at(&server, &place).await;
        let again = person.refresh(&person.tokens).await.is(200);
        assert_eq!(again["refreshToken"], lost["refreshToken"]);
        person.with(&again).get("/auth/me").await.is(200);
        person.refresh(&again).await.is(200);
    }
}

/// Returns settings under which a used refresh token is only valid while its successor is unused.
fn without_grace() -> Settings {
    settings().set("REFRESH_GRACE", "0s")
}

/// A user with the tokens of a sign-in, at a server.
struct Person {
    client: Client,
    tokens: Value,
}

impl Person {
    const EMAIL: &str = "ada@example.com";

    async fn register(server: &Process, place: &ServerData) -> Self {
        let client = Client::new(server.url(), place.sql().await);
        let body = json!({
            "email": Self::EMAIL, "password": PASSWORD, "name": "Ada", "tenantName": "Acme", "tenantSlug": "acme"
        });
        let tokens = client.post("/auth/register", body).await.is(201);
        Self { client, tokens }
    }

    /// Returns the same user at a restarted server.
    async fn at(self, server: &Process, place: &ServerData) -> Self {
        Self { client: Client::new(server.url(), place.sql().await), ..self }
    }

    async fn sign_in(&self) -> Value {
        let body = json!({ "email": Self::EMAIL, "password": PASSWORD, "tenantSlug": "acme" });
        self.client.post("/auth/login", body).await.is(200)
    }

    async fn refresh(&self, tokens: &Value) -> Reply {
        self.client.post("/auth/refresh", json!({ "refreshToken": tokens["refreshToken"] })).await
    }

    fn with(&self, tokens: &Value) -> Client {
        self.client.with_token(tokens["accessToken"].as_str().unwrap())
    }
}
