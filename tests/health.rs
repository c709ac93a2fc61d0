use secrecy::ExposeSecret;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::{Duration, Instant};
use tenantry_crypto::{ServerSecrets, SigningKeys, SystemEntropy};

use crate::support::{Client, Kind, Server, Settings};

const HEALTH_TOKEN: &str = "a-token-for-the-operator";

/// As strict as an installation is.
fn production() -> Settings {
    Settings::default()
        .set("TENANTRY_ENV", "production")
        .set("PUBLIC_URL", "https://api.example.com")
        .set("REGISTRATION", "open")
        .set("MAIL_FROM", "Acme <no-reply@acme.example>")
        .set("SIGNING_KEYS", SigningKeys::generate_one(&SystemEntropy).expose_secret())
        .set("SERVER_SECRETS", ServerSecrets::generate_one(&SystemEntropy).expose_secret())
        .set("ARGON2_MEMORY_KIB", "7168")
        .set("ARGON2_ITERATIONS", "5")
        .set("RATE_LIMITS", "on")
        .set("STOP_DELAY", "0s")
        .set("HEALTH_TOKEN", HEALTH_TOKEN)
}

async fn in_production(server: Server) {
    let stranger = server.client();
    assert_eq!(stranger.get("//livez").await.text, "ok\n");
    assert_eq!(stranger.get("//readyz").await.text, "ready\n");
    let told = stranger.get("//health").await;
    assert_eq!(
        (told.status.as_u16(), &told.body),
        (200, &serde_json::json!({ "status": "pass" })),
        "strangers hear no more"
    );
    for wrong in ["", "a-token-for-the-operato", "a-token-for-the-operator2", "A-TOKEN-FOR-THE-OPERATOR"] {
        let told = stranger.with_token(wrong).get("//health").await;
        assert!(told.body["checks"].is_null(), "{wrong:?} sees the checks");
    }
    let told = stranger.get(&format!("//health?token={HEALTH_TOKEN}")).await;
    assert!(told.body["checks"].is_null(), "a query is no place for a token");
    let told = stranger.with_token(HEALTH_TOKEN).get("//health").await.body;
    let check = &told["checks"]["database"];
    assert_eq!((&check["status"], &check["observed"]), (&"pass".into(), &"answers".into()));
    assert!(check["latencyMs"].is_u64());
    // What browsers are told once the public address is an https one.
    for path in ["//livez", "//health", "/auth/me", "/nothing"] {
        let reply = stranger.get(path).await;
        assert_eq!(reply.header("strict-transport-security"), "max-age=63072000; includeSubDomains", "{path}");
    }
}

#[test]
fn in_production_the_checks_are_for_whoever_holds_the_token_sqlite() {
    Server::run(Kind::Sqlite, production(), in_production);
}

#[test]
fn in_production_the_checks_are_for_whoever_holds_the_token_postgres() {
    Server::run(Kind::Postgres, production(), in_production);
}

on_both_databases! {
    async fn in_development_the_same_machine_sees_the_checks(server: Server) {
        let told = server.client().get("//health").await;
        assert_eq!((told.status.as_u16(), &told.body["status"]), (200, &Value::from("pass")));
        assert_eq!(told.body["checks"]["database"]["status"], "pass");
        assert!(!told.headers.contains_key("strict-transport-security"), "the public address is no https one");
    }

    async fn health_answers_are_not_to_be_kept(server: Server) {
        for path in ["//livez", "//readyz", "//health"] {
            assert_eq!(server.client().get(path).await.header("cache-control"), "no-store", "{path}");
        }
        let keys = server.client().get("//.well-known/jwks.json").await;
        assert_eq!(keys.header("cache-control"), "public, max-age=300");
        assert_eq!(keys.body["keys"][0]["crv"], "Ed25519");
        assert!(keys.body["keys"][0]["d"].is_null(), "a private key is shown");
    }
}

/// A database that lets nobody in.
struct Away {
    connection: PgConnection,
    database: String,
}

impl Away {
    #[expect(clippy::disallowed_methods, reason = "the one variable by which tests are told of a server")]
    async fn send(server: &Server) -> Self {
        let database = server.sql.texts("SELECT current_database()::text").await.remove(0);
        let mut connection = PgConnection::connect(&std::env::var("TEST_DATABASE_URL").unwrap()).await.unwrap();
        run(&mut connection, &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false")).await;
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
        run(&mut connection, &end).await;
        Self { connection, database }
    }

    async fn bring_back(mut self) {
        run(&mut self.connection, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.database)).await;
    }
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

async fn until_status(client: &Client, path: &str, status: u16) {
    let began = Instant::now();
    while client.get(path).await.status != status {
        assert!(began.elapsed() < Duration::from_secs(5), "{path} does not become {status}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[test]
fn a_database_that_is_away_shows_in_readiness_and_in_nothing_else() {
    Server::run(Kind::Postgres, Settings::default(), |server| async move {
        let owner = server.tenant("acme").await.owner;
        let away = Away::send(&server).await;
        let client = server.client();
        until_status(&client, "//readyz", 503).await;
        client.get("//readyz").await.refused(503, "unavailable");
        assert_eq!(client.get("//livez").await.status, 200);
        let told = client.get("//health").await;
        assert_eq!((told.status.as_u16(), &told.body["status"]), (503, &Value::from("fail")));
        assert_eq!(told.body["checks"]["database"]["observed"], "no answer");
        let began = Instant::now();
        owner.get("/roles").await.refused(503, "unavailable");
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        away.bring_back().await;
        until_status(&client, "//readyz", 200).await;
        until_status(&owner, "/roles", 200).await;
    });
}
