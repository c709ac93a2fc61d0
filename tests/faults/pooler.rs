//! Tests of PostgreSQL behind PgBouncer.

use serde_json::json;
use std::{
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{
    answer_within,
    cluster::{Cluster, command, free_port, new_folder},
    process::{Process, ends, settings},
    run,
};
use crate::support::{Client, Kind, PASSWORD, ServerData, Sql};

/// Maximum time for PgBouncer to start.
const LIMIT: Duration = Duration::from_secs(10);
/// Maximum time for a statement: the time limit of a unit, and some time for a busy machine.
const STATEMENT: Duration = Duration::from_secs(4);

/// A PgBouncer without any optional setting. Dropping it stops the program and deletes its files.
struct Pooler {
    _folder: TempDir,
    port: u16,
    program: Child,
}

impl Pooler {
    async fn start(cluster: &Cluster, mode: &str) -> Self {
        let (folder, port) = (new_folder(), free_port());
        let configuration = format!(
            "[databases]\ntenantry = host=127.0.0.1 port={} user=tenantry\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n",
            cluster.port()
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, configuration).unwrap();
        let mut program = command(&program(), folder.path());
        let program = program.arg(file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let listens = async || TcpStream::connect(("127.0.0.1", port)).await.ok();
        answer_within(LIMIT, "PgBouncer listens", listens).await;
        Self { _folder: folder, port, program }
    }

    fn url(&self, options: &str) -> String {
        format!("postgres://tenantry@127.0.0.1:{}/tenantry{options}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // Fails when it has ended already, which is fine.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Returns the path of PgBouncer: on the `PATH`, else in the folder of Debian, which is not on every `PATH`.
#[expect(clippy::disallowed_methods, reason = "PATH lists the folders of programs")]
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join("pgbouncer")).filter(|program| program.is_file());
    programs.next().expect("the tests of poolers need PgBouncer (Debian: apt-get install pgbouncer)")
}

/// Runs a command that must refuse, and returns its output.
async fn refused(command: &str, place: &ServerData, url: &str) -> String {
    let settings = place.settings(&settings().set("DATABASE_URL", url));
    let (code, said) = ends(&[command], &settings, place.folder.path()).await;
    assert_eq!(code, Some(1), "{said}");
    said
}

#[test]
fn behind_a_pooler_in_session_mode_time_limits_hold() {
    run(async {
        let cluster = Cluster::start().await;
        let pooler = Pooler::start(&cluster, "session").await;
        let place = ServerData::new(Kind::Sqlite).await;
        let server = Process::start(&place, &settings().set("DATABASE_URL", &pooler.url(""))).await;
        let sql = Sql::postgres(&cluster.url("tenantry")).await;
        let client = Client::new(server.url(), sql.clone());
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "tenantName": "Acme" });
        let made = client.post("/auth/register", body).await.is(201);
        let owner = client.with_token(made["accessToken"].as_str().unwrap());

        let Sql::Postgres(pool) = &sql else { unreachable!("the cluster is a PostgreSQL") };
        let mut lock = pool.begin().await.unwrap();
        sqlx::raw_sql("LOCK TABLE roles").execute(&mut *lock).await.unwrap();
        let role = json!({ "name": "Late", "permissions": [] });
        owner.post("/roles", role).await.refused(503, "unavailable");
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        let ended = async || (sql.number(waiting).await == 0).then_some(());
        answer_within(STATEMENT, "PostgreSQL ends the statement", ended).await;
    });
}

#[test]
fn a_pooler_in_transaction_mode_is_refused_at_the_start() {
    run(async {
        let cluster = Cluster::start().await;
        for mode in ["transaction", "statement"] {
            let pooler = Pooler::start(&cluster, mode).await;
            let place = ServerData::without_database();
            let said = refused("serve", &place, &pooler.url("")).await;
            assert!(said.contains("pool_mode = session") && said.contains("DATABASE_POOLER"), "{said}");
        }
    });
}

#[test]
fn a_start_up_parameter_that_a_pooler_refuses_is_told_with_the_line_of_its_configuration() {
    run(async {
        let cluster = Cluster::start().await;
        let pooler = Pooler::start(&cluster, "session").await;
        let place = ServerData::without_database();
        let said = refused("serve", &place, &pooler.url("?options=-c%20geqo%3Doff")).await;
        assert!(said.contains("`ignore_startup_parameters = options`"), "{said}");
    });
}
