//! The files of a private cluster, prepared for a server.

use super::{account::Account, log::Log, programs::Programs};
use crate::process::Runner;
use anyhow::{Context, Result, bail};
use rustix::fs::statvfs;
use std::{
    env, fs,
    io::{Seek, Write},
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// Creates the role of the tests, which creates databases and owns their content. Row-level security binds it.
const CREATE_ROLE: &str = "CREATE ROLE tenantry LOGIN CREATEDB NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION\n";
/// Refuses every other role, even the superuser: the role `tenantry` is created before the server listens.
const ACCESS: &str = "local all tenantry trust\nhost all tenantry 127.0.0.1/32 trust\n";

/// Sorts text by language, like most servers in production, so that the tests catch a query that forgets `COLLATE "C"`.
const PEOPLES_ORDER: &[&str] = &["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"];
/// For servers built without ICU, and those before version 15, in which a whole cluster cannot use it.
const BYTE_ORDER: &[&str] = &["--locale=C"];

/// The folder that Linux keeps in memory. Tests create and drop databases all the time, and this makes each five to ten
/// times faster.
const MEMORY: &str = "/dev/shm";
/// Free memory needed, in bytes: more than the databases and write-ahead log of all concurrent tests.
const MEMORY_NEEDED: u64 = 2 << 30;

/// A temporary folder with a cluster in `data`. Dropping it deletes the folder.
pub(super) struct DataFolder {
    account: Account,
    server: PathBuf,
    folder: TempDir,
}

impl DataFolder {
    /// Creates the cluster with the role `tenantry`; in memory if there is room and it need not be `durable`.
    pub(super) fn make(runner: &mut Runner, programs: &Programs, durable: bool, log: &mut Log) -> Result<Self> {
        let account = Account::choose()?;
        let parent = if !durable && memory_has_room() { Path::new(MEMORY).to_owned() } else { env::temp_dir() };
        let folder = TempDir::with_prefix_in("tenantry-postgres-", parent).context("cannot make a temporary folder")?;
        account.own(folder.path())?;
        let made = Self { account, server: programs.path("postgres"), folder };
        made.initialize(runner, &programs.path("initdb"), log)?;
        fs::write(made.data().join("pg_hba.conf"), ACCESS)?;
        made.create_role(runner, log)?;
        Ok(made)
    }

    /// Returns the whole folder, which also holds the server's socket.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder of the cluster.
    pub(super) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Returns the path of the server's program.
    pub(super) fn server(&self) -> &Path {
        &self.server
    }

    /// Returns a command of the cluster's owner that prints English. It runs in this folder, because others may be
    /// closed to that account.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = self.account.command(program);
        command.current_dir(self.path()).env("LC_ALL", "C");
        command
    }

    fn initialize(&self, runner: &mut Runner, initdb: &Path, log: &mut Log) -> Result<()> {
        for order in [PEOPLES_ORDER, BYTE_ORDER] {
            let mut command = self.command(initdb);
            command.args(["--no-sync", "--auth=reject", "--username=postgres", "--encoding=UTF8"]).args(order);
            command.arg("--pgdata").arg(self.data());
            if runner.run(log.collect(&mut command)?)?.success() {
                return Ok(());
            }
        }
        bail!("initdb failed:\n{}", log.read());
    }

    /// Runs the server in single-user mode, which reads statements as the superuser. That needs no client program and
    /// opens no port.
    fn create_role(&self, runner: &mut Runner, log: &mut Log) -> Result<()> {
        let mut statements = tempfile::tempfile().context("cannot make a temporary file")?;
        statements.write_all(CREATE_ROLE.as_bytes())?;
        statements.rewind()?;
        let mut command = self.command(&self.server);
        command.arg("--single").arg("-D").arg(self.data()).args([
            "-c",
            "exit_on_error=on",
            "-c",
            "fsync=off",
            "postgres",
        ]);
        if !runner.run_with_input(log.collect(&mut command)?, statements)?.success() {
            bail!("the role of the tests could not be made:\n{}", log.read());
        }
        Ok(())
    }
}

/// Returns whether the memory folder has room. Containers often have only some megabytes there, or no such folder.
fn memory_has_room() -> bool {
    statvfs(MEMORY).is_ok_and(|system| system.f_bavail.saturating_mul(system.f_frsize) >= MEMORY_NEEDED)
}
