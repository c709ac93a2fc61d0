//! A private PostgreSQL server.

use super::{data_folder::DataFolder, log::Log, programs::Programs};
use crate::process::Runner;
use anyhow::{Context, Result, bail};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Stdio},
    time::Duration,
};

/// Time limit until the server accepts connections.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Number of starts: another program may take the port before the server does.
const ATTEMPTS: usize = 3;
/// Several tests run at once, each with pools of its own.
const MAX_CONNECTIONS: u32 = 300;
/// Settings that make a server fast when its data need not survive it.
const VOLATILE: [&str; 4] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=256MB"];

/// A running server. It ends and its folder is deleted when this value is dropped, and also when this process is
/// killed.
pub(super) struct Cluster {
    guard: Child,
    /// The guard's standard input. Closing it ends the server.
    lifeline: Option<ChildStdin>,
    port: u16,
    folder: DataFolder,
}

impl Cluster {
    /// Starts a server on the loopback address and on a socket in its own folder: `durable` as in production, or fast.
    pub(super) fn start(runner: &mut Runner, programs: &Programs, durable: bool) -> Result<Self> {
        let mut log = Log::new()?;
        for _ in 0..ATTEMPTS {
            let folder = DataFolder::make(runner, programs, durable, &mut log)?;
            let mut cluster = Self::spawn(folder, durable, &log)?;
            if cluster.becomes_ready(runner)? {
                return Ok(cluster);
            }
        }
        bail!("PostgreSQL did not start:\n{}", log.read());
    }

    /// Returns the URL of the database `postgres` for the role `tenantry`, which needs no password.
    pub(super) fn url(&self) -> String {
        format!("postgres://tenantry@127.0.0.1:{}/postgres", self.port)
    }

    fn spawn(folder: DataFolder, durable: bool, log: &Log) -> Result<Self> {
        let port = free_port()?;
        let own = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            format!("unix_socket_directories={}", folder.path().display()),
            format!("max_connections={MAX_CONNECTIONS}"),
        ];
        let volatile = VOLATILE.iter().filter(|_| !durable).map(|setting| (*setting).to_owned());

        let mut command = folder.command(Path::new("/bin/sh"));
        command.args(["-c", include_str!("guard.sh"), "guard", "QUIT"]).arg(folder.path());
        command.arg(folder.server()).arg("-D").arg(folder.data());
        command.args(own.into_iter().chain(volatile).flat_map(|setting| ["-c".to_owned(), setting]));
        // A process group of its own: ctrl-c must end the tests first and the server after them.
        let command = log.collect(&mut command)?.stdin(Stdio::piped()).process_group(0);
        let mut guard = command.spawn().context("cannot start /bin/sh")?;
        Ok(Self { lifeline: guard.stdin.take(), guard, port, folder })
    }

    /// Waits until the server accepts connections; returns `false` when it has ended, or has taken too long.
    fn becomes_ready(&mut self, runner: &mut Runner) -> Result<bool> {
        let status = self.folder.data().join("postmaster.pid");
        let ready = runner.wait_for(START_LIMIT, || {
            if self.guard.try_wait()?.is_some() {
                return Ok(Some(false));
            }
            // The server writes its state into the eighth line, which pg_ctl waits for too.
            let text = fs::read_to_string(&status).unwrap_or_default();
            Ok(text.lines().nth(7).is_some_and(|state| state.trim() == "ready").then_some(true))
        })?;
        Ok(ready == Some(true))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // A failure on the way out cannot be handled any further.
        let _ = self.guard.wait();
    }
}

/// Returns a port that no program uses now.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on the loopback address")?;
    Ok(listener.local_addr()?.port())
}
