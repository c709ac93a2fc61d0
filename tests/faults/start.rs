//! Tests of the start: two at once, and a kill before it is complete.

use serde_json::json;
use std::time::Duration;
use tenantry_testkit::databases;

use super::{
    HEALED, answer_within, kills,
    process::{Process, ends, settings},
    run, some_of,
};
use crate::support::{Client, Kind, PASSWORD, ServerData, Settings, Sql, fetch};

/// Approximate time of a start, most of it for the schema.
const A_START: Duration = Duration::from_millis(250);

#[test]
fn fa11_two_servers_on_an_empty_postgresql_migrate_it_once() {
    run(async {
        let database = databases::postgres().await;
        let place = ServerData::without_database();
        let settings = settings().set("DATABASE_URL", database.url());
        let mut servers = [Process::launch(&place, &settings), Process::launch(&place, &settings)];
        for server in &mut servers {
            server.becomes_ready().await;
        }
        let sql = Sql::postgres(database.url()).await;
        let applied = sql.number("SELECT count(*) FROM seaql_migrations").await;
        assert_eq!(applied, sql.number("SELECT count(DISTINCT version) FROM seaql_migrations").await);
        assert!(applied > 0);
        let [one, other] = servers.map(|server| (Client::new(server.url(), sql.clone()), server));
        let token = register(&one.0).await;
        other.0.with_token(&token).get("/auth/me").await.is(200);
    });
}

#[test]
fn fa11_a_second_server_on_one_sqlite_file_refuses() {
    run(async {
        let place = ServerData::new(Kind::Sqlite).await;
        let first = Process::start(&place, &settings()).await;
        let (code, said) = ends(&["serve"], &place.settings(&settings()), place.folder.path()).await;
        assert_ne!(code.expect("it ends by itself"), 0);
        assert!(said.contains("another process serves from"), "{said}");
        register(&Client::new(first.url(), place.sql().await)).await;
    });
}

#[test]
fn fa1_killed_while_it_starts_on_sqlite() {
    run(async {
        for _ in 0..kills() * 3 {
            let place = ServerData::without_database();
            let file = place.folder.path().join("tenantry.db");
            killed_while_it_starts(&place, &settings(), async || file.exists()).await;
        }
    });
}

#[test]
fn fa1_killed_while_it_starts_on_postgresql() {
    run(async {
        for _ in 0..kills() {
            let database = databases::postgres().await;
            let place = ServerData::without_database();
            let sql = Sql::postgres(database.url()).await;
            let connected = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'tenantry'";
            let settings = settings().set("DATABASE_URL", database.url());
            killed_while_it_starts(&place, &settings, async || sql.number(connected).await > 0).await;
        }
    });
}

/// Kills a server some time after it has started to use its database, and checks that the next start succeeds.
async fn killed_while_it_starts(place: &ServerData, settings: &Settings, mut has_begun: impl AsyncFnMut() -> bool) {
    let server = Process::launch(place, settings);
    answer_within(HEALED, "it begins", async || has_begun().await.then_some(())).await;
    tokio::time::sleep(some_of(A_START)).await;
    server.kill();
    let server = Process::start(place, settings).await;
    let answer = fetch(format!("{}/livez", server.url())).await.unwrap();
    assert_eq!(answer.status(), 200);
}

async fn register(client: &Client) -> String {
    let body = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "tenantName": "Acme" });
    client.post("/auth/register", body).await.is(201)["accessToken"].as_str().unwrap().to_owned()
}
