//! Tests of rolling upgrades: this program on a schema that a newer program has migrated, and the program of before on
//! a schema that this one has migrated.

use serde_json::{Value, json};
use std::{
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};
use tenantry_testkit::{databases, redis::RedisServer};

use super::{
    HEALED, answer_within,
    ledger::{assert_clean, report},
    load::Load,
    on_each_database,
    process::{Process, ends, settings},
    run,
};
use crate::support::{Client, Kind, PASSWORD, ServerData, Settings, Sql};

/// The commands that use the database and end by themselves. The first ones change nothing.
const COMMANDS: [&[&str]; 9] = [
    &["migrate"],
    &["doctor"],
    &["jobs", "stats"],
    &["jobs", "list", "--json"],
    &["audit", "verify"],
    &["audit", "head"],
    &["audit", "seal"],
    &["jobs", "cleanup"],
    &["admin", "create-tenant", "--name", "Globex", "--owner-email", "grace@globex.example", "--print-link"],
];

const OLDEST: &str = "UPDATE schema_compatibility SET oldest_program = ";

/// Applies a migration that this program does not know: it adds a table, columns and rows. The schema still allows this
/// program.
async fn migrate_as_a_newer_program(sql: &Sql) {
    for statement in [
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29991231_000001_newer', 0)",
        "CREATE TABLE newer (id integer PRIMARY KEY)",
        "INSERT INTO newer (id) VALUES (1)",
        "ALTER TABLE users ADD COLUMN newer text",
        "ALTER TABLE tenants ADD COLUMN newer text NOT NULL DEFAULT 'x'",
        "ALTER TABLE jobs ADD COLUMN newer text NOT NULL DEFAULT 'x'",
        "ALTER TABLE journal ADD COLUMN newer text",
    ] {
        sql.execute(statement).await;
    }
}

fn run_command(place: &ServerData, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command.args(arguments).env_clear().envs(place.settings(&settings()));
    command.current_dir(place.folder.path()).output().unwrap()
}

/// Registers a user with a tenant and returns the tokens.
async fn register(client: &Client, slug: &str) -> Value {
    let body = json!({
        "email": format!("ada@{slug}.example"), "password": PASSWORD, "name": "Ada", "tenantName": slug, "tenantSlug": slug
    });
    client.post("/auth/register", body).await.is(201)
}

/// Returns a client with the access token of a response.
fn signed_in(client: &Client, tokens: &Value) -> Client {
    client.with_token(tokens["accessToken"].as_str().unwrap())
}

on_each_database! {
    async fn a_newer_schema_that_allows_this_program_is_served(kind: Kind) {
        let place = ServerData::new(kind).await;
        let (sql, server) = (place.sql().await, Process::start(&place, &settings()).await);
        let tokens = register(&Client::new(server.url(), sql.clone()), "acme").await;
        server.kill();
        migrate_as_a_newer_program(&sql).await;

        for arguments in COMMANDS {
            let done = run_command(&place, arguments);
            let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
            assert_eq!(done.status.code(), Some(0), "{arguments:?}: {said}");
        }
        assert_eq!(sql.number("SELECT count(*) FROM seaql_migrations WHERE version > 'm2999'").await, 1);
        let worker = Process::spawn(&["worker"], &place.settings(&settings()), place.folder.path());
        answer_within(HEALED, "the worker runs", async || worker.entry("working")).await;
        worker.kill();
        let server = Process::start(&place, &settings()).await;
        let client = Client::new(server.url(), sql.clone());
        signed_in(&client, &tokens).get("/auth/me").await.is(200);
        register(&client, "initech").await;
    }

    async fn a_newer_schema_that_needs_a_newer_program_is_refused(kind: Kind) {
        let place = ServerData::new(kind).await;
        let sql = place.sql().await;
        // The first start creates the keys that some commands need.
        Process::start(&place, &settings()).await.kill();
        migrate_as_a_newer_program(&sql).await;
        sql.execute(&format!("{OLDEST}'99.1.0'")).await;

        let this = env!("CARGO_PKG_VERSION");
        let sentence = format!("This database needs tenantry 99.1.0 or newer (this is {this}).");
        for arguments in COMMANDS {
            let done = run_command(&place, arguments);
            let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
            assert!(done.status.code() == Some(1) && said.contains(&sentence), "{arguments:?}: {said}");
        }
        for arguments in [&["serve"], &["worker"]] {
            let (code, said) = ends(arguments, &place.settings(&settings()), place.folder.path()).await;
            assert!(code == Some(1) && said.contains(&sentence), "{arguments:?}: {said}");
        }
        assert_eq!(sql.number("SELECT count(*) FROM tenants").await, 0);

        sql.execute(&format!("{OLDEST}'{this}'")).await;
        Process::start(&place, &settings()).await;
    }
}

/// Maximum time until a worker has done all jobs. One of them seals the log, once a minute.
const WORKED_OFF: Duration = Duration::from_secs(90);

#[expect(clippy::disallowed_methods, reason = "the one variable that names the program of before")]
fn program_of_before() -> PathBuf {
    let program = std::env::var("TEST_OLD_TENANTRY").expect("TEST_OLD_TENANTRY names the program of before");
    std::path::absolute(program).unwrap()
}

/// Uses each feature that leaves data for other processes: at one server, and with the same tokens at the other.
async fn smoke(here: &Client, there: &Client, place: &ServerData, slug: &str) {
    let tokens = register(here, slug).await;
    let (owner, same) = (signed_in(here, &tokens), signed_in(there, &tokens));
    same.get("/auth/me").await.is(200);
    let email = format!("ada@{slug}.example");
    let welcome = async || place.mails().into_iter().find(|mail| mail.to == email);
    let (welcome, _) = answer_within(HEALED, "a worker sends the mail", welcome).await;
    same.post("/auth/email/verify", json!({ "token": welcome.token() })).await.is(204);
    let role = owner.post("/roles", json!({ "name": "support", "permissions": ["roles:read"] })).await.is(201);
    let path = format!("/roles/{}", role["id"].as_str().unwrap());
    same.patch(&path, json!({ "name": "help" })).await.is(200);
    for number in 0..5 {
        let body = json!({ "email": format!("guest-{number}@{slug}.example"), "roleIds": [role["id"]] });
        owner.post("/invitations", body).await.is(201);
    }
    for list in ["/users", "/files", "/jobs", "/audit-logs", "/auth/sessions"] {
        owner.get(list).await.is(200);
        same.get(list).await.is(200);
    }
    for list in ["/roles", "/invitations"] {
        assert_eq!(owner.get(list).await.is(200), same.get(list).await.is(200), "{list}");
    }
    let body = json!({ "refreshToken": tokens["refreshToken"] });
    let renewed = there.post("/auth/refresh", body).await.is(200);
    signed_in(here, &renewed).get("/auth/me").await.is(200);
    signed_in(here, &renewed).post("/auth/logout", json!({})).await.is(204);
    let ended = async || (signed_in(there, &renewed).get("/auth/me").await.status == 401).then_some(());
    answer_within(HEALED, "the session has ended at the other server", ended).await;
}

/// Starts a server that leaves the jobs to a worker, and that worker.
async fn start(program: &std::path::Path, place: &ServerData, settings: &Settings) -> [Process; 2] {
    let spawn =
        |arguments: &[&str]| Process::spawn_program(program, arguments, &place.settings(settings), place.folder.path());
    let mut server = spawn(&["serve", "--no-worker"]);
    server.becomes_ready().await;
    let worker = spawn(&["worker"]);
    answer_within(HEALED, "the worker runs", async || worker.entry("working")).await;
    [server, worker]
}

#[test]
#[ignore = "needs a program of before: cargo xtask upgrade --from PROGRAM"]
fn the_program_of_before_goes_on_while_this_one_migrates_and_runs_beside_it() {
    run(async {
        let (before, now) = (program_of_before(), PathBuf::from(env!("CARGO_BIN_EXE_tenantry")));
        let (database, redis) = (databases::postgres().await, RedisServer::start());
        let place = ServerData::without_database();
        let settings = settings().set("DATABASE_URL", database.url()).set("REDIS_URL", &redis.url());
        let settings = settings.set("AUDIT_SEALS", "on");
        let [old, old_worker] = start(&before, &place, &settings).await;
        let sql = Sql::postgres(database.url()).await;
        let at_old = Client::new(old.url(), sql.clone());
        let load = Load::start(old.url());
        load.progress(20).await;
        let early = load.books().home().token;
        let (code, said) = ends(&["migrate"], &place.settings(&settings), place.folder.path()).await;
        assert_eq!(code, Some(0), "{said}");
        let [new, new_worker] = start(&now, &place, &settings).await;
        load.progress(20).await;
        load.redirect(new.url());
        load.progress(20).await;
        load.redirect(old.url());
        load.progress(20).await;
        let books = load.finish().await;
        report("rolling", &books);
        assert_clean(&books, &sql).await;

        let at_new = Client::new(new.url(), sql.clone());
        at_new.with_token(&early).get("/auth/me").await.is(200);
        smoke(&at_old, &at_new, &place, "acme").await;
        smoke(&at_new, &at_old, &place, "globex").await;

        // Each worker alone does the jobs that are left, those of the other program too.
        new_worker.kill();
        smoke(&at_new, &at_old, &place, "initech").await;
        let unsealed = "SELECT count(*) FROM journal_unsealed";
        let live =
            "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running') OR state = 'scheduled' AND attempt > 0";
        let all_done = async || (sql.number(unsealed).await == 0 && sql.number(live).await == 0).then_some(());
        answer_within(WORKED_OFF, "the old worker has done everything", all_done).await;
        old_worker.kill();
        let [_next, _next_worker] = start(&now, &place, &settings).await;
        smoke(&at_old, &at_new, &place, "umbrella").await;
        answer_within(WORKED_OFF, "the new worker has done everything", all_done).await;
        assert_eq!(sql.number("SELECT count(*) FROM jobs WHERE state = 'dead'").await, 0);
        assert_eq!(place.mails().iter().filter(|mail| mail.to.starts_with("guest-")).count(), 20);
        let done = Command::new(&now)
            .args(["audit", "verify"])
            .env_clear()
            .envs(place.settings(&settings))
            .current_dir(place.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert!(done.status.success() && said.contains("whole") && !said.contains("not yet sealed"), "{said}");
        for process in [&old, &new] {
            assert!(!process.log().contains("\"level\":\"ERROR\""), "{}", process.log());
        }
    });
}
