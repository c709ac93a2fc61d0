//! Tests of a PostgreSQL that takes no changes, and of the move from one server to another.

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::Connection;
use std::time::{Duration, Instant};

use super::{
    HEALED,
    address::Address,
    answer_within,
    cluster::Cluster,
    load::Load,
    postgres::{AT_WORK, cut_connections, heals, status},
    process::{Process, ends, settings},
    run,
    settings::problem,
};
use crate::support::{Kind, PASSWORD, ServerData, fetch};

/// Maximum time until `/readyz` tells of a change.
const TOLD: Duration = Duration::from_secs(1);
/// How long there is no server that takes changes.
const WITHOUT_PRIMARY: Duration = Duration::from_secs(2);

async fn readyz_becomes(server: &Process, expected: u16) {
    let told = async || (status(server, "readyz").await == expected).then_some(());
    answer_within(TOLD, &format!("/readyz is {expected}"), told).await;
}

/// Checks that changes are refused as unavailable, and that the checks say why. The load checks `Retry-After`.
async fn assert_only_reads(server: &Process, load: &Load) {
    let home = load.books().home();
    readyz_becomes(server, 503).await;
    assert_eq!(home.makes_role(load.books()).await.unwrap().status, 503);
    let health = fetch(format!("{}/health", server.url())).await.unwrap();
    assert_eq!(health.status(), 503);
    let health: Value = health.json().await.unwrap();
    let observed = health["checks"]["database"]["observed"].as_str().unwrap();
    assert!(observed.starts_with("only reads: it is a standby"), "{observed}");
    assert_eq!(status(server, "livez").await, 200);
}

/// The old server stops in order, the address moves, and only later the new server is promoted.
#[test]
fn fa4_postgresql_switched_over_under_load() {
    run(async {
        let mut old = Cluster::start().await;
        let mut new = old.standby().await;
        let address = Address::of(old.port()).await;
        let place = ServerData::new(Kind::Sqlite).await;
        let server = Process::start(&place, &settings().set("DATABASE_URL", &address.url())).await;
        let load = Load::start(server.url());
        load.progress(AT_WORK).await;
        old.stop(Signal::INT).await;
        address.move_to(new.port());
        let began = Instant::now();
        while began.elapsed() < WITHOUT_PRIMARY {
            assert_only_reads(&server, &load).await;
        }
        new.promote().await;
        readyz_becomes(&server, 200).await;
        heals("FA4 switch-over", load, &server, &new).await;
    });
}

/// The old server goes on answering and takes no changes any more. No connection to it may live on.
#[test]
fn fa4_a_demoted_postgresql_that_still_answers_is_left() {
    run(async {
        let mut old = Cluster::start().await;
        let mut new = old.standby().await;
        let address = Address::of(old.port()).await;
        let place = ServerData::new(Kind::Sqlite).await;
        let server = Process::start(&place, &settings().set("DATABASE_URL", &address.url())).await;
        let load = Load::start(server.url());
        load.progress(AT_WORK).await;
        old.administer("ALTER SYSTEM SET default_transaction_read_only = on").await;
        old.administer("SELECT pg_reload_conf()").await;
        address.move_to(new.port());
        assert_only_reads(&server, &load).await;
        let mut admin = old.connection().await;
        let follows = "SELECT count(*) > 0 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()";
        let mut follows = async || sqlx::query_scalar::<_, bool>(follows).fetch_one(&mut admin).await.unwrap();
        answer_within(HEALED, "the standby follows", async || follows().await.then_some(())).await;
        new.promote().await;
        readyz_becomes(&server, 200).await;
        let left = "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'tenantry'";
        let mut admin = old.connection().await;
        let mut left = async || sqlx::query_scalar::<_, bool>(left).fetch_one(&mut admin).await.unwrap();
        answer_within(HEALED, "the old server is left", async || left().await.then_some(())).await;
        heals("FA4 demoted server", load, &server, &new).await;
    });
}

#[test]
fn fa4_a_postgresql_whose_settings_forbid_changes() {
    run(async {
        let mut cluster = Cluster::start().await;
        let place = ServerData::new(Kind::Sqlite).await;
        let server = Process::start(&place, &settings().set("DATABASE_URL", &cluster.url("tenantry"))).await;
        let load = Load::start(server.url());
        for place in ["DATABASE tenantry", "ROLE tenantry", "SYSTEM"] {
            load.progress(AT_WORK).await;
            cluster.administer(&format!("ALTER {place} SET default_transaction_read_only = on")).await;
            cluster.administer("SELECT pg_reload_conf()").await;
            let mut admin = cluster.connection().await;
            cut_connections(&mut admin).await;
            admin.close().await.unwrap();
            assert_only_reads(&server, &load).await;
            let seen = load.books().home().sees_roles(load.books()).await.unwrap();
            assert_eq!(seen.status, 200, "a server that takes no changes still shows its own");
            cluster.administer(&format!("ALTER {place} RESET default_transaction_read_only")).await;
            cluster.administer("SELECT pg_reload_conf()").await;
            readyz_becomes(&server, 200).await;
        }
        heals("FA4 read-only database", load, &server, &cluster).await;
    });
}

/// A standby that lags behind still shows a session that ended elsewhere.
#[test]
fn fa4_a_session_that_ended_elsewhere_is_not_accepted_by_way_of_a_standby() {
    run(async {
        let mut old = Cluster::start().await;
        let mut new = old.standby().await;
        let address = Address::of(old.port()).await;
        let place = ServerData::without_database();
        let elsewhere = Process::start(&place, &settings().set("DATABASE_URL", &old.url("tenantry"))).await;
        let server = Process::start(&place, &settings().set("DATABASE_URL", &address.url())).await;
        let call = async |of: &Process, method: Method, path: &str, token: &str, body: Value| {
            let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
            let request = http.request(method, format!("{}/api/v1{path}", of.url())).bearer_auth(token).json(&body);
            request.send().await.unwrap()
        };
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "tenantName": "Acme" });
        let made = call(&server, Method::POST, "/auth/register", "", body).await;
        let made: Value = made.json().await.unwrap();
        let token = made["data"]["accessToken"].as_str().unwrap();
        let asks = async || call(&server, Method::GET, "/auth/me", token, Value::Null).await.status().as_u16();
        assert_eq!(asks().await, 200);

        new.administer("SELECT pg_wal_replay_pause()").await;
        let ended = call(&elsewhere, Method::POST, "/auth/logout", token, json!({})).await;
        assert_eq!(ended.status(), 204);
        address.move_to(new.port());
        address.cut();
        tokio::time::sleep(TOLD).await;
        let began = Instant::now();
        while began.elapsed() < WITHOUT_PRIMARY {
            assert_eq!(asks().await, 503, "nothing that a standby says is believed");
            assert_eq!(status(&server, "readyz").await, 503);
        }
        new.administer("SELECT pg_wal_replay_resume()").await;
        new.promote().await;
        readyz_becomes(&server, 200).await;
        answer_within(HEALED, "the session has ended", async || (asks().await == 401).then_some(())).await;
    });
}

#[test]
fn a_server_does_not_start_on_a_standby_and_the_doctor_says_why() {
    run(async {
        let mut primary = Cluster::start().await;
        let standby = primary.standby().await;
        let place = ServerData::without_database();
        let settings = settings().set("DATABASE_URL", &standby.url("tenantry"));
        for command in ["serve", "worker", "migrate"] {
            let (code, said) = ends(&[command], &place.settings(&settings), place.folder.path()).await;
            assert!(code == Some(1) && said.contains("only reads: it is a standby"), "{command}: {code:?} {said}");
        }
        let said = problem(&place, &settings);
        assert!(said.contains("only reads: it is a standby"), "{said}");
    });
}
