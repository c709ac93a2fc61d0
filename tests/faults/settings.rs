//! Tests of settings with which the program refuses to start.

use secrecy::ExposeSecret;
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tenantry_crypto::{ServerSecrets, SigningKeys, SystemEntropy};

use super::{
    cluster::Cluster,
    process::{Process, ends, settings},
    run,
};
use crate::support::{Kind, ServerData, Settings};

/// Starts a server that must refuse, and returns its error output.
async fn refused(place: &ServerData, settings: &Settings, secrets: &[&str]) -> String {
    let (code, said) = ends(&["serve"], &place.settings(settings), place.folder.path()).await;
    assert!(matches!(code, Some(1 | 2)), "{code:?}: {said}");
    for secret in secrets {
        assert!(!said.contains(secret), "{said}");
    }
    said
}

fn production() -> Settings {
    let signing = SigningKeys::generate_one(&SystemEntropy);
    let secret = ServerSecrets::generate_one(&SystemEntropy);
    settings()
        .set("TENANTRY_ENV", "production")
        .set("PUBLIC_URL", "https://api.example.com")
        .set("REGISTRATION", "open")
        .set("MAIL_FROM", "Acme <no-reply@acme.example>")
        .set("RATE_LIMITS", "on")
        .set("ARGON2_MEMORY_KIB", "19456")
        .set("ARGON2_ITERATIONS", "2")
        .set("STOP_DELAY", "0s")
        .set("SIGNING_KEYS", signing.expose_secret())
        .set("SERVER_SECRETS", secret.expose_secret())
        .set("SEAL_KEYS", SigningKeys::generate_one(&SystemEntropy).expose_secret())
        .set("AUDIT_SEALS", "on")
}

#[test]
fn production_refuses_unsafe_settings_all_at_once() {
    run(async {
        let place = ServerData::without_database();
        let settings = production()
            .set("SIGNING_KEYS", "")
            .set("SERVER_SECRETS", "")
            .set("SEAL_KEYS", "")
            .set("AUDIT_SEALS", "off")
            .set("PUBLIC_URL", "http://api.example.com")
            .set("REGISTRATION", "invited")
            .set("MAIL_URL", "console:")
            .set("RATE_LIMITS", "off")
            .set("HEALTH_TOKEN", "planted")
            .set("DATABASE_URL", "mysql://tenantry:planted@localhost/tenantry");
        let said = refused(&place, &settings, &["planted"]).await;
        for variable in [
            "SIGNING_KEYS",
            "SERVER_SECRETS",
            "SEAL_KEYS",
            "AUDIT_SEALS",
            "PUBLIC_URL",
            "REGISTRATION",
            "MAIL_URL",
            "RATE_LIMITS",
            "HEALTH_TOKEN",
            "DATABASE_URL",
        ] {
            let lines = said.lines().filter(|line| line.trim_start().starts_with(variable)).count();
            assert_eq!(lines, 1, "{variable} in: {said}");
        }
        assert_eq!(place.folder.path().read_dir().unwrap().count(), 0, "a refused start leaves nothing");
    });
}

#[test]
fn keys_that_are_none_are_refused_and_not_shown() {
    run(async {
        let place = ServerData::new(Kind::Sqlite).await;
        for variable in ["SIGNING_KEYS", "SERVER_SECRETS", "SEAL_KEYS"] {
            let said = refused(&place, &production().set(variable, "cGxhbnRlZA=="), &["cGxhbnRlZA", "planted"]).await;
            assert!(said.contains(variable), "{said}");
        }
    });
}

#[test]
fn a_database_that_is_not_there_is_told_without_its_password() {
    run(async {
        let place = ServerData::new(Kind::Sqlite).await;
        let settings = production().set("DATABASE_URL", "postgres://tenantry:planted@127.0.0.1:1/tenantry");
        let said = refused(&place, &settings, &["planted"]).await;
        assert!(said.contains("DATABASE_URL"), "{said}");
    });
}

#[test]
fn production_refuses_a_role_that_row_level_security_does_not_bind() {
    run(async {
        let cluster = Cluster::start().await;
        let place = ServerData::new(Kind::Sqlite).await;
        let settings = production().set("DATABASE_URL", &cluster.url("postgres"));
        let said = refused(&place, &settings, &[]).await;
        assert!(said.contains("row-level security") && said.contains("ALLOW_RLS_BYPASS"), "{said}");
        let sql = crate::support::Sql::postgres(&cluster.url("postgres")).await;
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(sql.number(tables).await, 0, "a refused start changes nothing");

        Process::start(&place, &settings.clone().set("ALLOW_RLS_BYPASS", "on")).await;
        assert!(sql.number(tables).await > 0);
        // Another role owns the tables now: the program has no access to them, and reports that at its start.
        let tenantry = production().set("DATABASE_URL", &cluster.url("tenantry"));
        refused(&place, &tenantry, &[]).await;
    });
}

#[test]
fn a_database_that_does_not_store_utf8_is_refused() {
    run(async {
        let mut cluster = Cluster::start().await;
        cluster
            .administer("CREATE DATABASE latin OWNER tenantry ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
            .await;
        let tenantry = cluster.url("tenantry");
        let latin = format!("{}/latin", tenantry.strip_suffix("/tenantry").unwrap());
        let (folder, place) = (TempDir::new().unwrap(), ServerData::without_database());
        let file = folder.path().join("utf-16.db");
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let mut connection = options.pragma("encoding", "'UTF-16le'").connect().await.unwrap();
        sqlx::raw_sql("CREATE TABLE of_another_program (id INTEGER)").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        for (url, encoding) in [(latin, "LATIN1"), (format!("sqlite:{}", file.display()), "UTF-16le")] {
            let settings = settings().set("DATABASE_URL", &url);
            for said in [refused(&place, &settings, &[]).await, problem(&place, &settings)] {
                assert!(said.contains(encoding) && said.contains("the encoding UTF8"), "{said}");
            }
        }
    });
}

/// Returns what the doctor finds, which must be a problem.
pub(super) fn problem(place: &ServerData, settings: &Settings) -> String {
    let mut doctor = std::process::Command::new(env!("CARGO_BIN_EXE_tenantry"));
    let doctor = doctor.arg("doctor").env_clear().envs(place.settings(settings)).current_dir(place.folder.path());
    let found = doctor.output().unwrap();
    let said = String::from_utf8(found.stdout).unwrap();
    assert_eq!(found.status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_database_is_reached_by_each_form_of_its_address() {
    run(async {
        let cluster = Cluster::start().await;
        let (socket, port) = (cluster.socket().display(), cluster.port());
        let mut urls = vec![
            format!("postgres://tenantry:secret@/tenantry?host={socket}&port={port}"),
            format!("postgres://tenantry:secret@:{port}/tenantry?host={socket}"),
            format!("postgres:///tenantry?host={socket}&port={port}&user=tenantry"),
            format!("postgres://tenantry@{}:{port}/tenantry", socket.to_string().replace('/', "%2F")),
        ];
        if std::net::TcpListener::bind("[::1]:0").is_ok() {
            urls.push(format!("postgres://tenantry:secret@[::1]:{port}/tenantry"));
        }
        let place = ServerData::without_database();
        for url in urls {
            let settings = place.settings(&settings().set("DATABASE_URL", &url));
            for command in ["migrate", "doctor"] {
                let (code, said) = ends(&[command], &settings, place.folder.path()).await;
                assert_eq!(code, Some(0), "{command} {url}: {said}");
            }
        }
    });
}
