use reqwest::Method;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    process::Command,
    time::{Duration, Instant},
};
use tenantry_crypto::{ServerSecrets, SigningKeys, SystemEntropy};
use tenantry_jobs::{JobQueue, Kind, NewJob, RetryPolicy};
use tenantry_kernel::Timestamp;
use tenantry_store::{Scope, SystemReason};

use crate::support::{Client, Kind as DatabaseKind, Server, Settings, fetch};

const HEALTH_TOKEN: &str = "a-token-for-the-operator";

/// Returns settings as strict as those of an installation.
fn production() -> Settings {
    Settings::default()
        .set("TENANTRY_ENV", "production")
        .set("PUBLIC_URL", "https://api.example.com")
        .set("REGISTRATION", "open")
        .set("MAIL_FROM", "Acme <no-reply@acme.example>")
        .set("SIGNING_KEYS", SigningKeys::generate_one(&SystemEntropy).expose_secret())
        .set("SERVER_SECRETS", ServerSecrets::generate_one(&SystemEntropy).expose_secret())
        .set("SEAL_KEYS", SigningKeys::generate_one(&SystemEntropy).expose_secret())
        .set("AUDIT_SEALS", "on")
        .set("ARGON2_MEMORY_KIB", "7168")
        .set("ARGON2_ITERATIONS", "5")
        .set("RATE_LIMITS", "on")
        .set("STOP_DELAY", "0s")
        .set("HEALTH_TOKEN", HEALTH_TOKEN)
}

const THINGS: [&str; 6] = ["database", "redis", "queue", "storage", "mail", "disk"];

/// A job of a queue that no worker of this program serves.
#[derive(Serialize, Deserialize)]
struct Unserved;

impl Kind for Unserved {
    const NAME: &'static str = "unserved";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "unserved";
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 1, first: Duration::from_secs(1), longest: Duration::from_secs(1) };
}

/// Enqueues a job that has been due for this number of minutes.
async fn put_off(server: &Server, minutes: i64) {
    let context = &server.app.context;
    let run_at = Timestamp::from_unix_millis(context.now().unix_millis() - minutes * 60_000).unwrap();
    let job = NewJob { run_at, ..NewJob::of(context, None, &Unserved).unwrap() };
    let mut unit = server.app.store.begin(Scope::System(SystemReason::Maintenance)).await.unwrap();
    unit.enqueue_job(&job).await.unwrap();
    unit.commit().await.unwrap();
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
    for thing in THINGS {
        let check = &told["checks"][thing];
        assert_eq!(check["status"], "pass", "{thing}: {check}");
        assert!(check["latencyMs"].is_u64() && check["observed"].as_str().is_some_and(|seen| !seen.is_empty()));
    }
    assert_eq!(told["checks"]["database"]["observed"], "answers");
    assert!(told["responseTimes"].as_array().is_some_and(|times| !times.is_empty()));
    // The headers for browsers once the public address is an https one.
    for path in ["//livez", "//health", "/auth/me", "/nothing"] {
        let reply = stranger.get(path).await;
        assert_eq!(reply.header("strict-transport-security"), "max-age=63072000; includeSubDomains", "{path}");
    }
}

#[test]
fn in_production_the_checks_are_for_whoever_holds_the_token_sqlite() {
    Server::run(DatabaseKind::Sqlite, production(), in_production);
}

#[test]
fn in_production_the_checks_are_for_whoever_holds_the_token_postgres() {
    Server::run(DatabaseKind::Postgres, production(), in_production);
}

on_both_databases! {
    async fn in_development_the_same_machine_sees_the_checks(server: Server) {
        let told = server.client().get("//health").await;
        assert_eq!((told.status.as_u16(), &told.body["status"]), (200, &Value::from("pass")));
        assert_eq!(told.body["checks"]["database"]["status"], "pass");
        assert_eq!(told.body["checks"]["redis"]["observed"], "not configured");
        assert!(!told.headers.contains_key("strict-transport-security"), "the public address is no https one");
    }

    async fn in_development_strangers_behind_a_proxy_on_the_machine_see_no_checks(server: Server) {
        for (name, value) in
            [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "127.0.0.1"), ("x-real-ip", "203.0.113.7"), ("via", "1.1 proxy")]
        {
            let told = server.client().send(Method::GET, "//health", None, &[(name, value)]).await;
            assert_eq!(told.body, serde_json::json!({ "status": "pass" }), "{name}: {value}");
        }
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

on_both_databases! {
    async fn response_times_are_told_by_route_and_of_no_path(server: Server) {
        const STRANGE: &str = "path-canary-0123456789";
        let acme = server.tenant("acme").await;
        for _ in 0..3 {
            acme.owner.get("/auth/me").await.is(200);
        }
        let role = acme.owner.get("/roles").await.is(200)[0]["id"].as_str().unwrap().to_owned();
        acme.owner.get(&format!("/roles/{role}")).await.is(200);
        server.client().get(&format!("/{STRANGE}")).await.refused(404, "not_found");
        let told = server.client().get("//health").await;
        let times = told.body["responseTimes"].as_array().unwrap();
        let of = |route: &str| times.iter().find(|times| times["route"] == route && times["method"] == "GET").unwrap();
        assert_eq!(of("/api/v1/auth/me")["requests"], 3);
        assert_eq!(of("/api/v1/roles/{id}")["requests"], 1);
        assert_eq!(of("unmatched")["requests"], 1);
        for times in times {
            let [p50, p95, p99] = ["p50Ms", "p95Ms", "p99Ms"].map(|name| times[name].as_f64().unwrap());
            assert!(0.0 < p50 && p50 <= p95 && p95 <= p99 && p99 < 60_000.0, "{times}");
        }
        let slowest: Vec<f64> = times.iter().map(|times| times["p99Ms"].as_f64().unwrap()).collect();
        assert!(slowest.is_sorted_by(|one, next| one >= next), "{slowest:?}");
        assert!(!told.text.contains(STRANGE) && !told.text.contains(&role), "{}", told.text);
    }

    async fn however_many_ask_the_database_is_looked_at_once_a_second(server: Server) {
        let client = server.client();
        client.get("//health").await;
        let (began, before) = (Instant::now(), server.app.store.statements());
        for _ in 0..20 {
            assert_eq!(client.get("//health").await.status, 200);
        }
        let statements = server.app.store.statements() - before;
        // A worker may poll its queue meanwhile.
        assert!(began.elapsed() > Duration::from_secs(1) || statements < 20, "{statements} statements");
    }

    async fn a_queue_that_nobody_works_on_is_told(server: Server) {
        server.tenant("acme").await;
        let status = async |body: &Value| body["checks"]["queue"]["status"].as_str().unwrap().to_owned();
        assert_eq!(status(&server.client().get("//health").await.body).await, "pass");
        put_off(&server, 6).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let told = server.client().get("//health").await;
        assert_eq!((told.status.as_u16(), status(&told.body).await.as_str()), (200, "warn"), "{}", told.text);
        put_off(&server, 61).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let told = server.client().get("//health").await;
        assert_eq!((told.status.as_u16(), status(&told.body).await.as_str()), (503, "fail"), "{}", told.text);
        assert_eq!(server.client().get("//readyz").await.status, 200, "requests are served all the same");
    }
}

on_both_databases! {
    settings (METRICS_ADDR = "127.0.0.1:0");

    async fn life_is_told_beside_the_metrics_too(server: Server) {
        let address = server.app.metrics_address().unwrap();
        let answer = fetch(format!("http://{address}/livez")).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "ok\n");
    }
}

#[test]
fn a_mail_server_and_a_redis_that_are_away_are_warnings() {
    let settings = Settings::default()
        .set("MAIL_URL", "smtp://ada:planted@127.0.0.1:1")
        .set("REDIS_URL", "redis://ada:planted@127.0.0.1:1");
    Server::run(DatabaseKind::Sqlite, settings, |server| async move {
        let told = server.client().get("//health").await;
        assert_eq!((told.status.as_u16(), &told.body["status"]), (200, &Value::from("warn")), "{}", told.text);
        for thing in ["mail", "redis"] {
            assert_eq!(told.body["checks"][thing]["status"], "warn", "{}", told.text);
        }
        assert!(!told.text.contains("planted") && !told.text.contains("127.0.0.1"), "{}", told.text);
    });
}

#[test]
fn a_storage_that_is_away_is_a_failure() {
    let settings = Settings::default()
        .set("STORAGE_URL", "s3://bucket")
        .set("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .set("AWS_ACCESS_KEY_ID", "planted-id")
        .set("AWS_SECRET_ACCESS_KEY", "planted-secret");
    Server::run(DatabaseKind::Sqlite, settings, |server| async move {
        let told = server.client().get("//health").await;
        assert_eq!((told.status.as_u16(), &told.body["checks"]["storage"]["status"]), (503, &Value::from("fail")));
        assert_eq!(told.body["checks"]["database"]["status"], "pass", "{}", told.text);
        assert!(!told.text.contains("planted") && !told.text.contains("127.0.0.1"), "{}", told.text);
    });
}

#[test]
fn a_disk_that_runs_full_is_told() {
    for (warn, fail, status, code) in [("100", "0", "warn", 200), ("100", "100", "fail", 503)] {
        let settings = Settings::default().set("HEALTH_DISK_WARN_PERCENT", warn).set("HEALTH_DISK_FAIL_PERCENT", fail);
        Server::run(DatabaseKind::Sqlite, settings, |server| async move {
            let told = server.client().get("//health").await;
            assert_eq!((told.status.as_u16(), &told.body["checks"]["disk"]["status"]), (code, &Value::from(status)));
        });
    }
}

#[test]
fn the_program_asks_a_server_whether_it_is_ready() {
    Server::run(DatabaseKind::Sqlite, Settings::default(), |server| async move {
        let ask = |arguments: &[&str], port: u16| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
            command.arg("healthcheck").args(arguments).env_clear().env("PORT", port.to_string());
            let done = command.current_dir(server.place.folder.path()).output().unwrap();
            (done.status.code(), String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap())
        };
        let port = server.address.port();
        assert_eq!(ask(&[], port), (Some(0), format!("http://127.0.0.1:{port}/readyz answers 200\n")));
        assert_eq!(ask(&[&format!("{}/livez", server.url())], 1).0, Some(0));
        let (code, said) = ask(&[&format!("{}/nothing", server.url())], port);
        assert!(code == Some(1) && said.contains("answers 404"), "{said}");
        let (code, said) = ask(&[], 1);
        assert!(code == Some(1) && said.contains("does not answer: check that the server runs"), "{said}");
    });
}

/// A database that refuses connections.
struct Away {
    connection: PgConnection,
    database: String,
}

impl Away {
    #[expect(clippy::disallowed_methods, reason = "the one variable that gives the tests a server")]
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
    Server::run(DatabaseKind::Postgres, Settings::default(), |server| async move {
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

mod behind_a_proxy {
    use super::Method;

    on_both_databases! {
        settings (TRUSTED_PROXIES = "1");

        async fn the_checks_are_for_clients_on_the_same_machine(server: Server) {
            for (forwarded, sees) in [
                ("203.0.113.7", false), ("127.0.0.1, 203.0.113.7", false), ("unknown", false), ("", false),
                ("203.0.113.7, 127.0.0.1", true), ("::1", true),
            ] {
                let told = server.client().send(Method::GET, "//health", None, &[("x-forwarded-for", forwarded)]).await;
                assert_eq!(told.body["checks"].is_object(), sees, "{forwarded}");
            }
            assert!(server.client().get("//health").await.body["checks"].is_object(), "without the proxy");
        }
    }
}
