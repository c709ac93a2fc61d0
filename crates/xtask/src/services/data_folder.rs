//! The files of a private cluster, made ready for a server.

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

/// The role that tests use makes databases and owns what is in them, and row-level security binds it.
const CREATE_ROLE: &str = "CREATE ROLE tenantry LOGIN CREATEDB NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION\n";
/// Nobody else comes in, not even the superuser: the role is made before the server listens.
const ACCESS: &str = "local all tenantry trust\nhost all tenantry 127.0.0.1/32 trust\n";

/// Sorts text as people do, as most servers in production are set to: so a query that forgets `COLLATE "C"` is caught.
const PEOPLES_ORDER: &[&str] = &["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"];
/// For servers built without ICU, and those before 15, where a whole cluster cannot use it.
const BYTE_ORDER: &[&str] = &["--locale=C"];

/// Where Linux keeps files in memory. Tests make and drop databases all the time, and this makes each five to ten times quicker.
const MEMORY: &str = "/dev/shm";
/// In bytes: more than the databases of all tests that run at once, and their log of writes, come to.
const MEMORY_NEEDED: u64 = 2 << 30;

/// A temporary folder with a cluster in `data`. It goes when this is dropped.
pub(super) struct DataFolder {
    account: Account,
    server: PathBuf,
    folder: TempDir,
}

impl DataFolder {
    /// Makes the cluster with the role `tenantry`; in memory if there is room and it need not be `durable`.
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

    /// The folder as a whole, which also has room for the server's socket.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the cluster is.
    pub(super) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The server's program.
    pub(super) fn server(&self) -> &Path {
        &self.server
    }

    /// A command run by the cluster's owner, in this folder because others may be closed to that account, and in English.
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

    /// Runs the server alone, reading statements as the superuser, which needs no client program and opens no door.
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

/// Containers often have some megabytes only, or no such folder.
fn memory_has_room() -> bool {
    statvfs(MEMORY).is_ok_and(|system| system.f_bavail.saturating_mul(system.f_frsize) >= MEMORY_NEEDED)
}
