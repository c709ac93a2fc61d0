//! `cargo xtask upgrade`: runs the program of before beside this one.

use crate::{
    process::{Runner, cargo, cargo_has},
    services::{Postgres, RedisService},
};
use anyhow::Result;
use std::{path::PathBuf, process::ExitCode};

/// Starts a server and a worker of the program of before, migrates their database with this program, and runs both
/// programs beside each other on one PostgreSQL and one Redis.
#[derive(clap::Args)]
pub(crate) struct UpgradeOptions {
    /// The program of before: `tenantry` of the last release, or built from an older commit.
    #[arg(long, value_name = "PROGRAM")]
    from: PathBuf,
}

/// Runs the test.
pub(crate) fn run(runner: &mut Runner, options: &UpgradeOptions) -> Result<ExitCode> {
    let words = if cargo_has("nextest") {
        "nextest run --workspace --run-ignored only -E test(/^faults::rolling::/)"
    } else {
        "test --workspace --test e2e -- --ignored faults::rolling::"
    };
    let postgres = Postgres::find_or_start(runner)?;
    let redis = RedisService::find_or_start(runner)?;
    let mut command = cargo(words.split(' '));
    command
        .env("TEST_OLD_TENANTRY", std::path::absolute(&options.from)?)
        .env("TEST_DATABASE_URL", postgres.url())
        .env(RedisService::VARIABLE, redis.url());
    Ok(if runner.run(&mut command)?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
