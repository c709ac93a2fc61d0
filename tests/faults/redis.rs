//! Tests of Redis under load: frozen, killed, and restarted without data.
//!
//! `TENANTRY_FROZEN_SECONDS` sets how long it is frozen; the full figure is 30: `TENANTRY_FROZEN_SECONDS=30 cargo xtask
//! test -E 'test(faults::redis)'`.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tenantry_testkit::redis::RedisServer;
use tokio::task::JoinHandle;

use super::{
    HEALED, answer_within,
    process::{Process, settings},
    run,
};
use crate::support::{Kind, PASSWORD, ServerData};

/// Maximum time of 99 % of the requests while the breaker is open.
const BAR: Duration = Duration::from_millis(150);
/// Maximum time until the breaker is open: three failures of 100 ms each, as the server's own heartbeat alone would
/// find them.
const OPENS: Duration = Duration::from_secs(2);
/// Number of clients that send requests, and the pause of each in between.
const CLIENTS: usize = 4;
const REST: Duration = Duration::from_millis(10);
const CALM: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
fn frozen_for() -> Duration {
    let seconds = std::env::var("TENANTRY_FROZEN_SECONDS").map(|text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(4))
}

#[test]
fn fa3_redis_frozen_under_load() {
    run(async {
        let patient = Patient::start().await;
        let load = patient.load();
        tokio::time::sleep(CALM).await;
        patient.redis.freeze();
        let began = Instant::now();
        while began.elapsed() < frozen_for() {
            patient.ended_sessions_are_refused().await;
            tokio::time::sleep(CALM / 4).await;
        }
        let thawed = Instant::now();
        patient.redis.thaw();
        patient.heals().await;
        patient.ended_sessions_are_refused().await;
        load.finish().await.hold(began + OPENS, thawed);
    });
}

#[test]
fn fa3_redis_killed_and_back_empty_under_load() {
    run(async {
        let mut patient = Patient::start().await;
        let load = patient.load();
        tokio::time::sleep(CALM).await;
        let began = Instant::now();
        patient.redis.kill();
        while began.elapsed() < frozen_for() {
            patient.ended_sessions_are_refused().await;
            tokio::time::sleep(CALM / 4).await;
        }
        let back = Instant::now();
        patient.redis.restart();
        patient.heals().await;
        patient.ended_sessions_are_refused().await;
        load.finish().await.hold(began + OPENS, back);
    });
}

#[test]
fn fa3_a_server_starts_and_serves_without_redis() {
    run(async {
        let mut patient = Patient::without_redis().await;
        assert_eq!(patient.client.counts_owner().await, (StatusCode::OK, 1));
        patient.ended_sessions_are_refused().await;
        patient.redis.restart();
        patient.heals().await;
    });
}

/// A server with its own Redis, a signed-in owner, and a session that has ended.
struct Patient {
    redis: RedisServer,
    client: Client,
    ended: String,
    _server: Process,
    _place: ServerData,
}

#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.url)).bearer_auth(token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// Lists the roles and returns the number of members with the owner's role, which goes through the cache.
    async fn counts_owner(&self) -> (StatusCode, u64) {
        let (status, body) = self.call(Method::GET, "/roles", &self.token, Value::Null).await;
        let roles = body["data"].as_array().cloned().unwrap_or_default();
        let owner = roles.iter().find(|role| role["name"] == "owner");
        (status, owner.and_then(|role| role["memberCount"].as_u64()).unwrap_or_default())
    }

    async fn signs_in(&self, email: &str) -> String {
        let body = json!({ "email": email, "password": PASSWORD });
        let (status, body) = self.call(Method::POST, "/auth/login", "", body).await;
        assert_eq!(status, 200, "{body}");
        body["data"]["accessToken"].as_str().unwrap().to_owned()
    }
}

impl Patient {
    async fn start() -> Self {
        let patient = Self::with(RedisServer::start()).await;
        patient.heals().await;
        patient
    }

    async fn without_redis() -> Self {
        let mut redis = RedisServer::start();
        redis.kill();
        Self::with(redis).await
    }

    async fn with(redis: RedisServer) -> Self {
        let place = ServerData::new(Kind::Postgres).await;
        let server = Process::start(&place, &settings().set("REDIS_URL", &redis.url())).await;
        let http = reqwest::Client::builder().tls_certs_only([]).timeout(Duration::from_secs(10)).build().unwrap();
        let mut client = Client { http, url: server.url().to_owned(), token: String::new() };
        let email = "ada@tenants.example";
        let body = json!({ "email": email, "password": PASSWORD, "name": "Ada", "tenantName": "Acme" });
        let (status, body) = client.call(Method::POST, "/auth/register", "", body).await;
        assert_eq!(status, 201, "{body}");
        client.token = body["data"]["accessToken"].as_str().unwrap().to_owned();
        let ended = client.signs_in(email).await;
        assert_eq!(client.call(Method::GET, "/auth/me", &ended, Value::Null).await.0, 200);
        assert!(client.call(Method::POST, "/auth/logout", &ended, Value::Null).await.0.is_success());
        Self { redis, client, ended, _server: server, _place: place }
    }

    /// Checks that a session that ended before is still refused, and that one that ends now is refused at once.
    async fn ended_sessions_are_refused(&self) {
        let client = &self.client;
        assert_eq!(client.call(Method::GET, "/auth/me", &self.ended, Value::Null).await.0, 401);
        let token = client.signs_in("ada@tenants.example").await;
        assert_eq!(client.call(Method::GET, "/auth/me", &token, Value::Null).await.0, 200);
        assert!(client.call(Method::POST, "/auth/logout", &token, Value::Null).await.0.is_success());
        assert_eq!(client.call(Method::GET, "/auth/me", &token, Value::Null).await.0, 401);
    }

    /// Waits until counts are stored in Redis again.
    async fn heals(&self) {
        let is_used = async || {
            self.client.counts_owner().await;
            let kept = self.redis.ask("KEYS tenantry:cache:role-holders:*");
            (!kept.starts_with("*0")).then_some(())
        };
        answer_within(HEALED, "Redis is used", is_used).await;
    }

    fn load(&self) -> Load {
        let (stop, noted) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let client = |number: usize| {
            let (client, stop, noted) = (self.client.clone(), stop.clone(), noted.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let status = if number.is_multiple_of(2) {
                        let (status, owners) = client.counts_owner().await;
                        assert!(status != 200 || owners == 1, "{owners} owners");
                        status
                    } else {
                        client.call(Method::GET, "/auth/me", &client.token, Value::Null).await.0
                    };
                    noted.lock().unwrap().push((began, began.elapsed(), status));
                    tokio::time::sleep(REST).await;
                }
            })
        };
        Load { clients: (0..CLIENTS).map(client).collect(), stop, noted }
    }
}

/// Clients that read, and their observations: start, duration and status.
struct Load {
    clients: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    noted: Arc<Mutex<Vec<Noted>>>,
}

type Noted = (Instant, Duration, StatusCode);

impl Load {
    async fn finish(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let noted = std::mem::take(&mut *self.noted.lock().unwrap());
        Seen(noted)
    }
}

struct Seen(Vec<Noted>);

impl Seen {
    /// Checks that every response was good, and that while the breaker was open 99 % of them came in time.
    #[expect(clippy::print_stdout, reason = "the promised figure, for readers of the output")]
    fn hold(&self, opened: Instant, over: Instant) {
        let bad: Vec<_> = self.0.iter().filter(|(_, _, status)| *status != 200).collect();
        assert!(bad.is_empty(), "{bad:?}");
        let (before, while_open) = self.0.iter().partition::<Vec<Noted>, _>(|(at, ..)| *at < opened);
        let mut took: Vec<Duration> =
            while_open.iter().filter(|(at, ..)| *at < over).map(|(_, took, _)| *took).collect();
        took.sort_unstable();
        let p99 = took[(took.len() * 99 / 100).min(took.len() - 1)];
        let slowest_before = before.iter().map(|(_, took, _)| *took).max().unwrap_or_default();
        println!(
            "{} answers, none bad; until the breaker was open at most {slowest_before:?}, then {} with p99 {p99:?}",
            self.0.len(),
            took.len()
        );
        assert!(took.len() > 100, "too few to judge: {}", took.len());
        assert!(p99 < BAR, "p99 was {p99:?}");
    }
}
