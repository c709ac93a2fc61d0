//! A Redis server for the tests: the named one, else a private one.

use super::{cluster::free_port, log::Log, packages};
use crate::process::Runner;
use anyhow::{Context, Result, bail};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Time limit until the server responds.
const START_LIMIT: Duration = Duration::from_secs(20);
const PROGRAM: &str = "redis-server";

/// A Redis server. If this process started it, dropping this value ends it and leaves no files. It also ends when this
/// process is killed.
pub(crate) struct RedisService {
    url: String,
    own: Option<Guarded>,
}

struct Guarded {
    guard: Child,
    /// The guard's standard input. Closing it ends the server.
    lifeline: Option<ChildStdin>,
    _folder: TempDir,
}

impl RedisService {
    /// The variable that names a server for the tests.
    pub(crate) const VARIABLE: &str = "TEST_REDIS_URL";

    /// Returns the server that `TEST_REDIS_URL` names, else a private one on a free port of the loopback address. The
    /// program is needed in both cases, because some tests start servers of their own.
    pub(crate) fn find_or_start(runner: &mut Runner) -> Result<Self> {
        let program = find_or_install(runner)?;
        if let Some(url) = named()? {
            eprintln!("==> using the Redis that {} names", Self::VARIABLE);
            return Ok(Self { url, own: None });
        }
        let (mut log, port) = (Log::new()?, free_port()?);
        let mut own = Guarded::spawn(&program, port, &log)?;
        let ready = runner.wait_for(START_LIMIT, || {
            let has_ended = own.guard.try_wait()?.is_some();
            Ok((has_ended || answers(port)).then_some(!has_ended))
        })?;
        if ready != Some(true) {
            drop(own);
            bail!("Redis did not start:\n{}", log.read());
        }
        let url = format!("redis://127.0.0.1:{port}");
        eprintln!("==> started a Redis for these tests: {url}");
        Ok(Self { url, own: Some(own) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for RedisService {
    fn drop(&mut self) {
        if let Some(own) = &mut self.own {
            drop(own.lifeline.take());
            // A failure on the way out cannot be handled any further.
            let _ = own.guard.wait();
        }
    }
}

impl Guarded {
    fn spawn(program: &Path, port: u16, log: &Log) -> Result<Self> {
        let folder = TempDir::with_prefix("tenantry-redis-").context("cannot make a temporary folder")?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", include_str!("guard.sh"), "guard", "KILL"]).arg(folder.path()).arg(program);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        // A process group of its own: ctrl-c must end the tests first and the server after them.
        let command = log.collect(&mut command)?.current_dir(folder.path()).stdin(Stdio::piped()).process_group(0);
        let mut guard = command.spawn().context("cannot start /bin/sh")?;
        Ok(Self { lifeline: guard.stdin.take(), guard, _folder: folder })
    }
}

fn find_or_install(runner: &mut Runner) -> Result<PathBuf> {
    let find = || packages::on_path(PROGRAM).into_iter().next();
    if let Some(program) = find() {
        return Ok(program);
    }
    if !packages::are_ours_to_install() {
        bail!(
            "the tests need Redis 6 or newer, and no {PROGRAM} was found on the PATH.\n\
             Install it (Debian, Ubuntu: `sudo apt-get install redis-server`; macOS: `brew install redis`)"
        );
    }
    packages::install(runner, "Redis", &["redis-server"])?;
    find().with_context(|| format!("apt-get has installed Redis, and yet there is no {PROGRAM}"))
}

fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        connection.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        connection.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    ask().unwrap_or(false)
}

#[expect(clippy::disallowed_methods, reason = "the one variable with which a developer names a Redis for the tests")]
fn named() -> Result<Option<String>> {
    match std::env::var(RedisService::VARIABLE) {
        Ok(url) if url.starts_with("redis://") => Ok(Some(url)),
        // The value may hold a password and is not repeated.
        Ok(_) => bail!("{} must begin with redis://", RedisService::VARIABLE),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{} is not valid UTF-8", RedisService::VARIABLE),
    }
}
