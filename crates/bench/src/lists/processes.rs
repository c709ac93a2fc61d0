//! Processor time of this process, and of every process of a PostgreSQL on this machine.

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;
use sqlx::{Connection as _, PgConnection};
use std::{fs, time::Duration};

/// The processes of a PostgreSQL, or of none.
#[derive(Debug, Default)]
pub(super) struct PostgresProcesses {
    /// Id of the process that starts all others.
    postmaster: Option<u32>,
}

/// The part of `/proc/<pid>/stat` that counts.
struct Stat {
    parent: u32,
    /// Ticks in user and kernel mode.
    own: u64,
    /// Those of children that have ended.
    ended: u64,
}

impl PostgresProcesses {
    /// Finds the processes of the server at this address.
    pub(super) async fn of(url: &str) -> Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        let backend = stat(&backend.to_string()).context("the benchmark needs a PostgreSQL on this machine")?;
        connection.close().await?;
        Ok(Self { postmaster: Some(backend.parent) })
    }

    /// Returns the processor time that they have used, those that have ended included.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let Some(postmaster) = self.postmaster else { return Ok(Duration::ZERO) };
        let of_postmaster = stat(&postmaster.to_string()).context("PostgreSQL has ended")?;
        let mut ticks = of_postmaster.own + of_postmaster.ended;
        for process in fs::read_dir("/proc")? {
            let name = process?.file_name();
            let Some(process) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
                continue;
            };
            if let Some(child) = stat(process).filter(|process| process.parent == postmaster) {
                ticks += child.own;
            }
        }
        Ok(duration(ticks))
    }
}

/// Returns the processor time that this process has used.
pub(super) fn own_cpu() -> Duration {
    stat("self").map_or(Duration::ZERO, |process| duration(process.own))
}

fn duration(ticks: u64) -> Duration {
    Duration::from_secs(ticks) / u32::try_from(clock_ticks_per_second()).unwrap_or(100)
}

/// Returns `None` when the process has ended.
fn stat(process: &str) -> Option<Stat> {
    // The second field is the program's name. It may contain any character, and ends with the last parenthesis.
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own: number(11)? + number(12)?,
        ended: number(13)? + number(14)?,
    })
}
