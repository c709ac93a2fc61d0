//! Tests of the number of statements that hot routes cost. A further statement must be a decision, not an accident.

use serde_json::json;
use std::time::Duration;

use crate::support::{Kind, PASSWORD, Reply, Server, Settings};

/// Returns the number of statements that open and close a unit: BEGIN, on PostgreSQL the scope, and COMMIT if it
/// writes.
fn unit(kind: Kind) -> u64 {
    match kind {
        Kind::Sqlite => 1,
        Kind::Postgres => 2,
    }
}

/// Returns how many statements a request takes. Housekeeping and a polling worker may run meanwhile, and only add to
/// it.
async fn statements<F: Future<Output = Reply>>(server: &Server, ask: impl Fn() -> F) -> u64 {
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
        statements(&server, move || {
            let owner = owner.clone();
            async move { owner.get(path).await }
        })
    };
    let unit = unit(kind);
    let lock = unit - 1;
    assert_eq!(get("/auth/me").await, 0, "GET /auth/me, warm");
    assert_eq!(get("/permissions").await, 0, "GET /permissions");
    assert_eq!(get("/users").await, unit + 4, "GET /users");
    // The member counts are cached for a second.
    assert_eq!(get("/roles").await, unit + 1, "GET /roles");
    assert_eq!(get("/audit-logs").await, unit + 1, "GET /audit-logs");
    assert_eq!(get("/audit-logs/seals").await, unit + 1, "GET /audit-logs/seals");
    assert_eq!(get("/audit-logs/policy").await, unit + 1, "GET /audit-logs/policy");

    let role = std::sync::atomic::AtomicU32::new(0);
    let create = || {
        let name = format!("role {}", role.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let owner = owner.clone();
        async move { owner.post("/roles", json!({ "name": name, "permissions": ["users:read"] })).await }
    };
    // The lock and the current role assignments, the role, the three rows of the journal, COMMIT.
    assert_eq!(statements(&server, create).await, unit + lock + 1 + 1 + 3 + 1, "POST /roles");

    let upload = || {
        let owner = owner.clone();
        async move { owner.upload("plan.csv", "text/csv", b"what,when\n").await }
    };
    // Reading: the used share of the plan. Writing: the current role assignments, the storage, the file, the three rows
    // of the journal, COMMIT.
    assert_eq!(statements(&server, upload).await, (unit + 1) + (unit + 1 + 1 + 1 + 3 + 1), "POST /files/upload");
    // The files and their uploaders.
    assert_eq!(get("/files").await, unit + 2, "GET /files");
    let file = upload().await.is(201)["id"].as_str().unwrap().to_owned();
    let download = || async { owner.get(&format!("/files/{file}/download")).await };
    // Reading: the file. Writing: the file again, the three rows of the journal, COMMIT.
    assert_eq!(statements(&server, download).await, (unit + 1) + (unit + 1 + 3 + 1), "GET /files/{{id}}/download");

    let login = || {
        let body = json!({ "email": owner.email, "password": PASSWORD, "tenantSlug": "acme" });
        let client = server.client();
        async move { client.post("/auth/login", body).await }
    };
    // Reading: the user, the credential. Writing: the user's lock, the credential, two for the tenants, the
    // membership's lock, the running sessions, the session, the three rows of the journal, COMMIT.
    assert_eq!(statements(&server, login).await, (unit + 2) + (unit + 11), "POST /auth/login");

    let token = std::sync::Mutex::new(owner.refresh_token.clone());
    let token = &token;
    let refresh = || async {
        let body = json!({ "refreshToken": token.lock().unwrap().clone() });
        let reply = server.client().post("/auth/refresh", body).await;
        *token.lock().unwrap() = reply.body["data"]["refreshToken"].as_str().unwrap().to_owned();
        reply
    };
    // The session, the conditional update, COMMIT.
    assert_eq!(statements(&server, refresh).await, unit + 3, "POST /auth/refresh");
}

async fn limited_sign_in(server: Server, kind: Kind) {
    let owner = server.tenant("acme").await.owner;
    let login = || {
        let body = json!({ "email": owner.email, "password": PASSWORD, "tenantSlug": "acme" });
        let client = server.client();
        async move { client.post("/auth/login", body).await }
    };
    let unit = unit(kind);
    // Writing: the counters, the guesses in flight, this guess, COMMIT. Reading and writing: as without limits, and the
    // end of the guess and the known address.
    assert_eq!(statements(&server, login).await, (unit + 4) + (unit + 2) + (unit + 13), "POST /auth/login");
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
