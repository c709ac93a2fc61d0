//! A PostgreSQL server of one test, which the test may stop, freeze and restart.

use rustix::process::{Pid, Signal, getegid, geteuid, kill_process};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

use super::answer_within;

const INITDB: [&str; 7] =
    ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D", "data"];

/// Maximum time for the server to start, or to stop.
const LIMIT: Duration = Duration::from_secs(30);

/// A running server with the roles `postgres`, a superuser, and `tenantry`, which row-level security binds. Dropping it
/// stops the server and deletes its data.
pub(super) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    server: Child,
    frozen: Vec<Pid>,
}

impl Cluster {
    pub(super) async fn start() -> Self {
        let (folder, programs) = (new_folder(), programs());
        let log = folder.path().join("initdb.log");
        let mut initdb = command(&programs.join("initdb"), folder.path());
        let made = initdb.args(INITDB).stdout(std::fs::File::create(&log).unwrap()).status().unwrap();
        assert!(made.success(), "initdb: {}", std::fs::read_to_string(log).unwrap());
        let port = free_port();
        let server = spawn(&programs, folder.path(), port);
        Self { folder, programs, port, server, frozen: Vec::new() }.with_role().await
    }

    /// Starts a standby of this server, and waits until it follows every change.
    pub(super) async fn standby(&mut self) -> Self {
        let (folder, programs, port) = (new_folder(), programs(), free_port());
        let from = format!("--username=postgres --host=127.0.0.1 --port={}", self.port);
        let how = "--write-recovery-conf --checkpoint=fast --no-sync --pgdata=data";
        let mut copy = command(&programs.join("pg_basebackup"), folder.path());
        let copied = copy.args(from.split(' ').chain(how.split(' '))).status().unwrap();
        assert!(copied.success(), "pg_basebackup");
        let server = spawn(&programs, folder.path(), port);
        let mut standby = Self { folder, programs, port, server, frozen: Vec::new() };
        standby.connection().await.close().await.unwrap();
        let mut admin = self.connection().await;
        let follows = "SELECT count(*) > 0 FROM pg_stat_replication WHERE state = 'streaming'";
        let mut follows = async || sqlx::query_scalar::<_, bool>(follows).fetch_one(&mut admin).await.unwrap();
        answer_within(LIMIT, "the standby follows", async || follows().await.then_some(())).await;
        standby
    }

    /// Lets a standby take changes from now on.
    pub(super) async fn promote(&mut self) {
        let mut admin = self.connection().await;
        let promoted: bool = sqlx::query_scalar("SELECT pg_promote()").fetch_one(&mut admin).await.unwrap();
        assert!(promoted, "the standby was not promoted in time");
    }

    /// Runs a statement as superuser.
    pub(super) async fn administer(&mut self, statement: &str) {
        let mut admin = self.connection().await;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    }

    /// Starts it in its own namespace, in which a file system with room for a database and some load is mounted on its
    /// data folder.
    pub(super) async fn start_on_a_small_disk() -> Self {
        // The write-ahead log has one large file from the start, so the tables are the ones that run out of room.
        const SIZE: &str = "160m";
        const LOG: &str = "--wal-segsize=64";
        let (folder, programs, port) = (new_folder(), programs(), free_port());
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let (mut unshare, options, account) = match account() {
            Some((user, group)) => (
                vec!["--mount"],
                format!("size={SIZE},mode=0700,uid={user},gid={group}"),
                format!("setpriv --reuid={user} --regid={group} --clear-groups"),
            ),
            None => (
                vec!["--map-root-user", "--mount"],
                format!("size={SIZE},mode=0700"),
                format!("unshare --user --map-user={} --map-group={}", geteuid().as_raw(), getegid().as_raw()),
            ),
        };
        let (initdb, postgres) = (programs.join("initdb"), programs.join("postgres"));
        let script = format!(
            "set -e\nmount -t tmpfs -o {options} none data\n{account} '{}' {} {LOG}\nexec {account} '{}' {}\n",
            initdb.display(),
            INITDB.join(" "),
            postgres.display(),
            arguments(port).join(" "),
        );
        unshare.extend(["sh", "-c", &script]);
        let mut start = Command::new("unshare");
        start.args(unshare).current_dir(folder.path()).env("LC_ALL", "C").stdin(Stdio::null());
        let server = log_into(&mut start, folder.path());
        Self { folder, programs, port, server, frozen: Vec::new() }.with_role().await
    }

    /// Creates the database `tenantry` and its role.
    async fn with_role(mut self) -> Self {
        let mut admin = self.connection().await;
        let role = "CREATE ROLE tenantry LOGIN NOSUPERUSER NOBYPASSRLS; CREATE DATABASE tenantry OWNER tenantry";
        for statement in role.split(';') {
            sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
        }
        self
    }

    /// Returns the process id of the postmaster.
    pub(super) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Returns the port on which it listens.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the path of the folder of its socket.
    pub(super) fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of its data folder.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the URL of the database `tenantry` for one of the roles.
    pub(super) fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/tenantry", self.port)
    }

    /// Stops the server as its operator would, and starts it again.
    pub(super) async fn restart(&mut self) {
        self.stop(Signal::INT).await;
        self.server = spawn(&self.programs, self.folder.path(), self.port);
        self.connection().await;
    }

    /// Stops every process of the server with a signal; connections stay open.
    pub(super) async fn freeze(&mut self) {
        let mut admin = self.connection().await;
        // The postmaster first, so that it starts no further processes.
        let postmaster = Pid::from_child(&self.server);
        kill_process(postmaster, Signal::STOP).unwrap();
        let others: Vec<i32> =
            sqlx::query_scalar("SELECT pid FROM pg_stat_activity").fetch_all(&mut admin).await.unwrap();
        let others: Vec<Pid> = others.into_iter().filter_map(Pid::from_raw).collect();
        for process in &others {
            kill_process(*process, Signal::STOP).unwrap();
        }
        self.frozen = [vec![postmaster], others].concat();
    }

    /// Resumes the processes.
    pub(super) fn thaw(&mut self) {
        for process in self.frozen.drain(..) {
            // Fails for a process that has ended, which is fine.
            let _ = kill_process(process, Signal::CONT);
        }
    }

    /// Connects as superuser, as soon as the server accepts connections.
    pub(super) async fn connection(&mut self) -> PgConnection {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        let connect = async || {
            assert!(self.server.try_wait().unwrap().is_none(), "PostgreSQL has ended: {}", log(self.folder.path()));
            PgConnection::connect(&url).await.ok()
        };
        answer_within(LIMIT, "PostgreSQL starts", connect).await.0
    }

    /// Stops the server, and waits until it has ended.
    pub(super) async fn stop(&mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.server), signal).unwrap();
        answer_within(LIMIT, "PostgreSQL stops", async || self.server.try_wait().unwrap()).await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.thaw();
        // The data is deleted with the server, so it need not write anything first.
        if let Ok(None) = self.server.try_wait() {
            let _ = kill_process(Pid::from_child(&self.server), Signal::QUIT);
            let _ = self.server.wait();
        }
    }
}

pub(super) fn new_folder() -> TempDir {
    let folder = TempDir::with_prefix("tenantry-faults-").unwrap();
    if let Some((user, group)) = account() {
        chown(folder.path(), Some(user), Some(group)).unwrap();
    }
    folder
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn spawn(programs: &Path, folder: &Path, port: u16) -> Child {
    let mut postgres = command(&programs.join("postgres"), folder);
    log_into(postgres.args(arguments(port)), folder)
}

fn arguments(port: u16) -> Vec<String> {
    // Commits must survive a crash of the server, not of the machine.
    let arguments = format!(
        "-D data -p {port} -c unix_socket_directories=.. -c listen_addresses=127.0.0.1,::1 -c fsync=off -c full_page_writes=off"
    );
    arguments.split(' ').map(str::to_owned).collect()
}

fn log_into(command: &mut Command, folder: &Path) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("server.log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("server.log")).unwrap_or_default()
}

/// Creates a command that runs in this folder as the account of PostgreSQL.
pub(super) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C").stdin(Stdio::null());
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
}

/// Returns the account of PostgreSQL, which refuses to run as root: `postgres`, which the packages create, else
/// `nobody`.
fn account() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let account = ["postgres", "nobody"].iter().find_map(|name| Some((id("-u", name)?, id("-g", name)?)));
    Some(account.expect("there is an account postgres or nobody"))
}

fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Returns the folder of the server's programs: on the `PATH`, else the newest one of Debian.
#[expect(clippy::disallowed_methods, reason = "PATH lists the folders of programs")]
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter_map(|folder| folder.join("postgres").canonicalize().ok());
    let on_path = on_path.filter_map(|program| program.parent().map(Path::to_owned));
    let debian = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort_by_key(|folder| folder.parent().and_then(|version| version.file_name()?.to_str()?.parse::<u32>().ok()));
    let mut found = on_path.chain(debian.into_iter().rev()).filter(|folder| folder.join("initdb").exists());
    found.next().expect(
        "the tests of faults stop and freeze a PostgreSQL of their own: install its server programs (Debian: \
         apt-get install postgresql), also when TEST_DATABASE_URL names a server",
    )
}
