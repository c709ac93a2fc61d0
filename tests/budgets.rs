//! Tests of the number of round trips to the database that hot routes cost. A further one must be a decision, not an
//! accident.

use serde_json::json;
use std::time::Duration;

use crate::support::{Kind, PASSWORD, Reply, Server, Settings};

/// Opening a unit takes one round trip, on PostgreSQL together with its scope. Closing it takes none unless it commits.
const UNIT: u64 = 1;

/// Returns how many round trips an entry of the journal takes for its three rows.
fn entry(kind: Kind) -> u64 {
    match kind {
        Kind::Sqlite => 3,
        Kind::Postgres => 1,
    }
}

/// Returns how many round trips a request takes. Housekeeping and a polling worker may run meanwhile, and only add to
/// it.
async fn round_trips<F: Future<Output = Reply>>(server: &Server, ask: impl Fn() -> F) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(15)).await;
        let before = server.app.store.statements();
        let reply = ask().await;
        assert!(reply.status.is_success(), "{}", reply.text);
        least = least.min(server.app.store.statements() - before);
    }
    least
}

async fn hot_routes(server: Server, kind: Kind) {
    let owner = server.tenant("acme").await.owner;
    let get = |path: &'static str| {
        let owner = owner.clone();
        round_trips(&server, move || {
            let owner = owner.clone();
            async move { owner.get(path).await }
        })
    };
    let (entry, lock) = (entry(kind), u64::from(kind == Kind::Postgres));
    assert_eq!(get("/auth/me").await, 0, "GET /auth/me, warm");
    assert_eq!(get("/permissions").await, 0, "GET /permissions");
    assert_eq!(get("/users").await, UNIT + 2, "GET /users");
    // The invitations with their inviters, and their roles.
    assert_eq!(get("/invitations").await, UNIT + 2, "GET /invitations");
    assert_eq!(get("/jobs").await, UNIT + 1, "GET /jobs");
    // The member counts are cached for a second.
    assert_eq!(get("/roles").await, UNIT + 1, "GET /roles");
    assert_eq!(get("/audit-logs").await, UNIT + 1, "GET /audit-logs");
    assert_eq!(get("/audit-logs/seals").await, UNIT + 1, "GET /audit-logs/seals");
    assert_eq!(get("/audit-logs/policy").await, UNIT + 1, "GET /audit-logs/policy");

    let role = std::sync::atomic::AtomicU32::new(0);
    let create = || {
        let name = format!("role {}", role.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let owner = owner.clone();
        async move { owner.post("/roles", json!({ "name": name, "permissions": ["users:read"] })).await }
    };
    // The lock and the current role assignments, the role, the entry of the journal, COMMIT.
    assert_eq!(round_trips(&server, create).await, UNIT + lock + 1 + 1 + entry + 1, "POST /roles");

    let upload = || {
        let owner = owner.clone();
        async move { owner.upload("plan.csv", "text/csv", b"what,when\n").await }
    };
    // Reading: the used share of the plan. Writing: the current role assignments, the storage, the file, the entry of
    // the journal, COMMIT.
    assert_eq!(round_trips(&server, upload).await, (UNIT + 1) + (UNIT + 1 + 1 + 1 + entry + 1), "POST /files/upload");
    // The files and their uploaders.
    assert_eq!(get("/files").await, UNIT + 2, "GET /files");
    let file = upload().await.is(201)["id"].as_str().unwrap().to_owned();
    let download = || async { owner.get(&format!("/files/{file}/download")).await };
    // Reading: the file. Writing: the file again, the entry of the journal, COMMIT.
    assert_eq!(round_trips(&server, download).await, (UNIT + 1) + (UNIT + 1 + entry + 1), "GET /files/{{id}}/download");

    let login = || {
        let body = json!({ "email": owner.email, "password": PASSWORD, "tenantSlug": "acme" });
        let client = server.client();
        async move { client.post("/auth/login", body).await }
    };
    // Reading: the user, the credential. Writing: the user's lock, the credential, the tenants, the membership's lock,
    // the running sessions, the session, the entry of the journal, COMMIT.
    assert_eq!(round_trips(&server, login).await, (UNIT + 2) + (UNIT + 6 + entry + 1), "POST /auth/login");

    let token = std::sync::Mutex::new(owner.refresh_token.clone());
    let token = &token;
    let refresh = || async {
        let body = json!({ "refreshToken": token.lock().unwrap().clone() });
        let reply = server.client().post("/auth/refresh", body).await;
        *token.lock().unwrap() = reply.body["data"]["refreshToken"].as_str().unwrap().to_owned();
        reply
    };
    // The conditional update, COMMIT.
    assert_eq!(round_trips(&server, refresh).await, UNIT + 2, "POST /auth/refresh");
}

async fn limited_sign_in(server: Server, kind: Kind) {
    let owner = server.tenant("acme").await.owner;
    let login = || {
        let body = json!({ "email": owner.email, "password": PASSWORD, "tenantSlug": "acme" });
        let client = server.client();
        async move { client.post("/auth/login", body).await }
    };
    let entry = entry(kind);
    // Writing: the counters, the guesses in flight, this guess, COMMIT. Reading and writing: as without limits, and the
    // end of the guess and the known address.
    let expected = (UNIT + 4) + (UNIT + 2) + (UNIT + 8 + entry + 1);
    assert_eq!(round_trips(&server, login).await, expected, "POST /auth/login");
}

#[test]
fn a_limited_sign_in_costs_what_it_must_sqlite() {
    let settings = Settings::default().set("RATE_LIMITS", "on");
    Server::run(Kind::Sqlite, settings, |server| limited_sign_in(server, Kind::Sqlite));
}

#[test]
fn a_limited_sign_in_costs_what_it_must_postgres() {
    let settings = Settings::default().set("RATE_LIMITS", "on");
    Server::run(Kind::Postgres, settings, |server| limited_sign_in(server, Kind::Postgres));
}

#[test]
fn hot_routes_cost_what_they_must_sqlite() {
    Server::run(Kind::Sqlite, Settings::default(), |server| hot_routes(server, Kind::Sqlite));
}

#[test]
fn hot_routes_cost_what_they_must_postgres() {
    Server::run(Kind::Postgres, Settings::default(), |server| hot_routes(server, Kind::Postgres));
}
