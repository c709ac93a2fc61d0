//! What tests and benchmarks need of the machine. Servers are taken where they are named, else started privately and ended
//! with us; programs are found, else installed where that is ours to do.

mod account;
mod browser;
mod cluster;
mod data_folder;
mod log;
mod packages;
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

/// A PostgreSQL to use. If it was started here, it ends and leaves nothing when this is dropped.
pub(crate) struct Postgres {
    url: String,
    own: Option<(Programs, Cluster)>,
}

impl Postgres {
    /// The server that `TEST_DATABASE_URL` names, else a private one that trades safety of its data for speed.
    pub(crate) fn find_or_start(runner: &mut Runner) -> Result<Self> {
        match environment_url()? {
            Some(url) => {
                eprintln!("==> using the PostgreSQL that {VARIABLE} names");
                Ok(Self { url, own: None })
            }
            None => Self::start(runner, false),
        }
    }

    /// A private server on a free port. `durable` says whether what is committed survives a loss of power, as in production:
    /// benchmarks want that, tests do not need it.
    pub(crate) fn start(runner: &mut Runner, durable: bool) -> Result<Self> {
        let programs = Programs::find_or_install(runner)?;
        let cluster = Cluster::start(runner, &programs, durable)?;
        eprintln!("==> started {} for us alone: {}", programs.version(), cluster.url());
        Ok(Self { url: cluster.url(), own: Some((programs, cluster)) })
    }

    /// The address of the database `postgres`, for a role that may create databases and is bound by row-level security.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A program that comes with the server that was started here.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf> {
        let (programs, _) = self.own.as_ref().context("the server was not started here")?;
        let program = programs.path(name);
        ensure!(program.exists(), "there is no {}", program.display());
        Ok(program)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one variable by which a developer names a server for the tests")]
fn environment_url() -> Result<Option<String>> {
    match std::env::var(VARIABLE) {
        Ok(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(Some(url)),
        // The value may hold a password and is not repeated.
        Ok(_) => bail!("{VARIABLE} must begin with postgres://"),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{VARIABLE} is not valid UTF-8"),
    }
}
