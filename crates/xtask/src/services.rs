//! Servers and programs for tests and benchmarks. Servers named by a variable are used, else private ones are started
//! and ended with this process. Programs are found, else installed where the command may do so.

mod account;
mod browser;
mod cluster;
mod data_folder;
mod log;
mod packages;
pub(crate) mod pgbouncer;
mod programs;
mod redis;

use crate::process::Runner;
use anyhow::{Context, Result, bail, ensure};
use cluster::Cluster;
use programs::Programs;
use std::path::PathBuf;

pub(crate) use browser::Browser;
pub(crate) use redis::RedisService;

const VARIABLE: &str = "TEST_DATABASE_URL";

/// A PostgreSQL server. If this process started it, dropping this value ends it and leaves no files.
pub(crate) struct Postgres {
    url: String,
    own: Option<(Programs, Cluster)>,
}

impl Postgres {
    /// Returns the server that `TEST_DATABASE_URL` names, else a private one that trades durability for speed.
    pub(crate) fn find_or_start(runner: &mut Runner) -> Result<Self> {
        match environment_url()? {
            Some(url) => {
                eprintln!("==> using the PostgreSQL that {VARIABLE} names");
                Ok(Self { url, own: None })
            }
            None => Self::start(runner, false),
        }
    }

    /// Starts a private server on a free port. `durable` says whether commits survive a power failure, as in
    /// production: benchmarks need that, tests do not.
    pub(crate) fn start(runner: &mut Runner, durable: bool) -> Result<Self> {
        let programs = Programs::find_or_install(runner)?;
        let cluster = Cluster::start(runner, &programs, durable)?;
        eprintln!("==> started {} for these tests: {}", programs.version(), cluster.url());
        Ok(Self { url: cluster.url(), own: Some((programs, cluster)) })
    }

    /// Returns the URL of the database `postgres`, for a role that may create databases and is bound by row-level
    /// security.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the path of a program that comes with the server that this process started.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf> {
        let (programs, _) = self.own.as_ref().context("the server was not started here")?;
        let program = programs.path(name);
        ensure!(program.exists(), "there is no {}", program.display());
        Ok(program)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one variable with which a developer names a server for the tests")]
fn environment_url() -> Result<Option<String>> {
    match std::env::var(VARIABLE) {
        Ok(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(Some(url)),
        // The value may hold a password and is not repeated.
        Ok(_) => bail!("{VARIABLE} must begin with postgres://"),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{VARIABLE} is not valid UTF-8"),
    }
}
