//! `cargo xtask bench`: measures the release build.

use crate::{
    process::{Runner, cargo},
    services::{Postgres, RedisService},
};
use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use std::process::{Command, ExitCode};

/// Builds the release and measures it on both databases, beside what it could be at best; it takes ten minutes and prints a table.
///
/// PostgreSQL is a private one that waits for the disk at every commit. docs/performance.md says what is measured.
#[derive(clap::Args)]
pub(crate) struct BenchOptions {
    /// `jobs` measures the queue, `files` uploads and downloads, `audit` the audit log, and `lists` every list beside its own statements, instead of the server. The rest is passed on to the program that measures, such as `--rounds 1 --only me,refresh` or `--write docs/performance.md`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the benchmarks. Fails when a figure does not reach its bar.
pub(crate) fn run(runner: &mut Runner, options: &BenchOptions) -> Result<ExitCode> {
    // The whole workspace, because a crate built alone has other features.
    if !runner.run(&mut cargo(["build", "--release", "--workspace"]))?.success() {
        bail!("the release cannot be built");
    }
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata failed")?;
    let programs = metadata.target_directory.join("release");
    let mut bench = Command::new(programs.join("tenantry-bench"));
    if let Some((part, rest)) = options.arguments.split_first()
        && part == "files"
    {
        let status = runner.run(bench.arg("files").arg("--tenantry").arg(programs.join("tenantry")).args(rest))?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let postgres = Postgres::start(runner, true)?;
    let redis = RedisService::find_or_start(runner)?;
    let status = match options.arguments.split_first() {
        Some((part, rest)) if part == "jobs" => {
            bench.args(["jobs", "--postgres", postgres.url(), "--redis", redis.url()]);
            runner.run(bench.args(rest))?
        }
        Some((part, rest)) if part == "audit" => {
            bench.arg("audit").arg("--tenantry").arg(programs.join("tenantry"));
            bench.args(["--postgres", postgres.url(), "--psql"]).arg(postgres.program("psql")?);
            runner.run(bench.args(rest))?
        }
        Some((part, rest)) if part == "lists" => {
            bench.arg("lists").arg("--tenantry").arg(programs.join("tenantry"));
            bench.args(["--postgres", postgres.url()]);
            runner.run(bench.args(rest))?
        }
        _ => {
            bench.arg("run").arg("--tenantry").arg(programs.join("tenantry"));
            bench
                .args(["--postgres", postgres.url(), "--redis", redis.url(), "--pgbench"])
                .arg(postgres.program("pgbench")?);
            runner.run(bench.args(&options.arguments))?
        }
    };
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
