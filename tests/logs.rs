//! Tests of the log of a whole walk, at the most detailed level, through the real subscriber.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};
use tenantry_app::{
    config::{LogConfig, LogFormat},
    logging,
};
use tenantry_crypto::{ServerSecrets, SigningKeys, SystemEntropy};
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::{
    Client, Kind, PASSWORD, Reply, Server, eventually,
    walk::{self, Walk},
};

const HEALTH_TOKEN: &str = "health-canary-0123456789";

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    /// Returns the log of this process, which several tests may share.
    fn of_this_process() -> Self {
        static SINK: OnceLock<Sink> = OnceLock::new();
        let sink = SINK.get_or_init(|| {
            let sink = Self::default();
            let writer = sink.clone();
            let config = LogConfig { level: "trace".to_owned(), format: LogFormat::Json };
            logging::subscriber(&config, false, move || writer.clone()).unwrap().try_init().unwrap();
            sink
        });
        sink.clone()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

async fn canaries_stay_out(kind: Kind) {
    let sink = Sink::of_this_process();
    let (key, secret) = (SigningKeys::generate_one(&SystemEntropy), ServerSecrets::generate_one(&SystemEntropy));
    let settings = walk::settings()
        .set("LOG_LEVEL", "trace")
        .set("HEALTH_TOKEN", HEALTH_TOKEN)
        .set("SIGNING_KEYS", key.expose_secret())
        .set("SERVER_SECRETS", secret.expose_secret());
    let server = Server::start(kind, settings).await;
    let walk = Walk::through(&server, kind).await;
    let mut canaries = walk.secrets.lock().unwrap().clone();
    canaries.extend([HEALTH_TOKEN.to_owned(), key.expose_secret().to_owned(), secret.expose_secret().to_owned()]);
    canaries.extend(in_odd_places(&server).await);

    let log = sink.text();
    assert!(log.contains("listening") && log.contains("a request was refused"), "the log has no entries");
    for canary in &canaries {
        // The middle part of a token names its user and may appear; the signature must not. Secrets may be logged in
        // parts.
        let parts = canary.split(['.', ':']).filter(|part| part.len() >= 16);
        for part in parts.filter(|part| !part.starts_with("eyJ")).chain([canary.as_str()]) {
            if let Some((before, after)) = log.split_once(part) {
                let (begin, end) = (before.lines().last(), after.lines().next());
                panic!("the log shows a secret: {}{part}{}", begin.unwrap_or_default(), end.unwrap_or_default());
            }
        }
    }
    assert!(canaries.len() > 100, "{}", canaries.len());
    drop(server);
}

/// Sends secrets in wrong places: clients make mistakes too.
async fn in_odd_places(server: &Server) -> Vec<String> {
    let nobody = server.client();
    let token = "query-canary-0123456789";
    nobody.get(&format!("/auth/me?access_token={token}")).await.refused(401, "unauthenticated");
    nobody.get(&format!("/nothing/{token}")).await.refused(404, "not_found");
    nobody.with_token(token).get("/auth/me").await.refused(401, "token_invalid");
    let password = "shape-canary-0123456789";
    for wrong in [json!({ "is": password }), json!([password])] {
        let body = json!({ "email": "a@example.com", "password": wrong });
        let reply = nobody.post("/auth/login", body).await;
        assert!(!reply.text.contains(password), "the answer repeats the password");
        reply.refused(422, "validation_failed");
    }
    let body = json!({ "email": password, "password": password, "name": password, "tenantName": password, "x": 1 });
    let reply = nobody.post("/auth/register", body).await;
    assert!(!reply.text.contains(password), "the answer repeats the password");
    vec![token.to_owned(), password.to_owned()]
}

#[test]
fn tk4_no_secret_reaches_the_log_at_any_level_sqlite() {
    runtime().block_on(canaries_stay_out(Kind::Sqlite));
}

#[test]
fn tk4_no_secret_reaches_the_log_at_any_level_postgres() {
    runtime().block_on(canaries_stay_out(Kind::Postgres));
}

async fn lines_stay_whole(kind: Kind) {
    let sink = Sink::of_this_process();
    let server = Server::start(kind, walk::settings()).await;
    let owner = server.tenant("acme").await.owner;
    let agents = ["a\u{2028}b", "\u{1b}[31mred", "x\ty", "\u{85}next", "\u{202e}drawkcab", "\"}{\"level\":\"ERROR\""];
    for agent in agents {
        let header = agent.replace('\u{1b}', " ");
        let request = owner.raw(Method::GET, "/roles?sort=%0d%0aINFO+forged").header("user-agent", header.as_bytes());
        owner.finish(request, &Method::GET, "/api/v1/roles").await.refused(422, "validation_failed");
        let body = json!({ "email": "nobody@example.com", "password": PASSWORD, "tenantSlug": agent });
        owner.post("/auth/login", body).await;
        owner.post("/roles", json!({ "name": agent, "permissions": [agent] })).await.refused(422, "validation_failed");
        let path =
            format!("/roles/{}", agent.chars().map(|c| format!("%{:02x}", u32::from(c) & 0xff)).collect::<String>());
        owner.get(&path).await.refused(404, "not_found");
    }
    drop(server);
    let log = sink.text();
    assert!(log.contains("a request was refused"), "the log has no entries");
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(entry["level"].is_string(), "{line:?}");
        let steers = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}');
        assert!(!line.contains(steers), "{line:?}");
    }
}

#[test]
fn in5_an_entry_is_one_line_whatever_clients_send_sqlite() {
    runtime().block_on(lines_stay_whole(Kind::Sqlite));
}

#[test]
fn in5_an_entry_is_one_line_whatever_clients_send_postgres() {
    runtime().block_on(lines_stay_whole(Kind::Postgres));
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Sends a request of the owner with these headers that is refused, and returns its log entry.
async fn entry_of(owner: &Client, headers: &[(&str, &str)]) -> (Reply, Value) {
    let sink = Sink::of_this_process();
    let unknown = "/roles/0192f0c1-2345-7abc-8def-0123456789ab";
    let reply = owner.send(Method::GET, unknown, None, headers).await;
    let id = reply.request_id().to_string();
    let log = sink.text();
    let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut of_request = entries.filter(|entry| entry["request_id"] == id.as_str());
    let entry = of_request.find(|entry| entry["fields"]["message"] == "a request was refused");
    (reply, entry.unwrap_or_else(|| panic!("no entry of {id}")))
}

async fn entries_say_whose_they_are(kind: Kind) {
    let trusting = Server::start(kind, walk::settings().set("TRUSTED_PROXIES", "1").set("LOG_LEVEL", "trace")).await;
    let acme = trusting.tenant("acme").await;
    let own = |reply: &Reply| reply.request_id().simple().to_string();
    let (reply, entry) = entry_of(&acme.owner, &[]).await;
    assert_eq!(entry["trace_id"], own(&reply));
    assert_eq!((&entry["tenant"], &entry["user"]), (&json!(acme.id), &json!(acme.owner.id)));
    assert!(!entry.to_string().contains(&acme.slug) && !entry.to_string().contains('@'), "{entry}");

    let given = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(entry_of(&acme.owner, &[("traceparent", &given)]).await.1["trace_id"], TRACE);
    for bad in [format!("00-{TRACE}-{PARENT}"), format!("ff-{TRACE}-{PARENT}-01"), given.to_uppercase(), "x\t\"".into()]
    {
        let (reply, entry) = entry_of(&acme.owner, &[("traceparent", &bad)]).await;
        assert_eq!(entry["trace_id"], own(&reply), "{bad}");
    }
    let (reply, entry) = entry_of(&acme.owner, &[("traceparent", &given), ("traceparent", &given)]).await;
    assert_eq!(entry["trace_id"], own(&reply), "of two values none is reliable");

    let untrusting = Server::start(kind, walk::settings().set("LOG_LEVEL", "trace")).await;
    let owner = untrusting.tenant("acme").await.owner;
    let (reply, entry) = entry_of(&owner, &[("traceparent", &given)]).await;
    assert_eq!(entry["trace_id"], own(&reply), "any client can send it");

    let body = json!({ "email": acme.owner.email });
    let headers = [("traceparent", given.as_str())];
    let reply = trusting.client().send(Method::POST, "/auth/password/forgot", Some(body), &headers).await;
    let trace = format!("00-{TRACE}-{:016x}-01/{}", reply.request_id().as_u64_pair().1, reply.request_id());
    let caused = format!("SELECT kind FROM jobs WHERE trace = '{trace}'");
    // The requested job, and the email that it causes.
    let has_caused_two = async || trusting.sql.texts(&caused).await.len() == 2;
    eventually("the request's jobs carry its trace", has_caused_two).await;
    assert!(trusting.sql.texts(&caused).await.iter().any(|kind| kind == "mail"));
}

#[test]
fn an_entry_says_whose_request_and_which_trace_it_is_of_sqlite() {
    runtime().block_on(entries_say_whose_they_are(Kind::Sqlite));
}

#[test]
fn an_entry_says_whose_request_and_which_trace_it_is_of_postgres() {
    runtime().block_on(entries_say_whose_they_are(Kind::Postgres));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
