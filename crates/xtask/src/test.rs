//! `cargo xtask test`: runs every test, with the servers and programs that the tests need.

use crate::{
    process::{Runner, cargo, cargo_has},
    services::{Browser, Postgres, RedisService, pgbouncer},
};
use anyhow::{Result, bail};
use std::process::{ExitCode, ExitStatus};

/// Every test of the workspace, with a PostgreSQL, a Redis, a PgBouncer and a browser that are found, started or installed
/// for them.
///
/// `TEST_DATABASE_URL` names a server to use: a role that may create databases, without superuser and by-pass rights.
/// Without it a private server is started on a free port of the loopback address and ended with the tests. `TEST_REDIS_URL`
/// does the same for Redis.
///
/// `TEST_BROWSER` names a Chromium or Chrome and `TEST_CHROMEDRIVER` its chromedriver. Without them those on the `PATH` are
/// used; as root on Debian they are installed first. `TEST_BROWSER=off` leaves the test in a browser out. Arguments go to
/// cargo-nextest where it is present and else to `cargo test`; with nextest, the tests of one crate are
/// `cargo xtask test -E 'package(tenantry-store)'`.
#[derive(clap::Args)]
pub(crate) struct TestOptions {
    /// Passed on as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the tests. Returns the exit code of the first program that failed.
pub(crate) fn run(runner: &mut Runner, options: &TestOptions) -> Result<ExitCode> {
    refuse_packages(&options.arguments)?;
    let programs = programs(&options.arguments, cargo_has("nextest"));
    let browser = Browser::find_or_install(runner)?;
    pgbouncer::find_or_install(runner)?;
    let postgres = Postgres::find_or_start(runner)?;
    let redis = RedisService::find_or_start(runner)?;
    // Most tests take two threads, see .config/nextest.toml.
    let threads = 2 * std::thread::available_parallelism()?.get();
    let mut outcome = ExitCode::SUCCESS;
    for program in programs {
        let mut command = cargo(&program);
        command
            .env("TEST_DATABASE_URL", postgres.url())
            .env(RedisService::VARIABLE, redis.url())
            .env("NEXTEST_TEST_THREADS", threads.to_string())
            .envs(browser.variables());
        let status = runner.run(&mut command)?;
        if !status.success() && outcome == ExitCode::SUCCESS {
            outcome = code(status);
        }
    }
    // The warning at the start has long scrolled away.
    browser.warn_if_off();
    Ok(outcome)
}

/// Returns the arguments of each cargo command to run.
fn programs(arguments: &[String], nextest: bool) -> Vec<Vec<String>> {
    let command = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    if !nextest {
        return vec![[&command("test --workspace --no-fail-fast"), arguments].concat()];
    }
    let mut programs = vec![[&command("nextest run --workspace --no-fail-fast"), arguments].concat()];
    // nextest runs no documentation tests. They run only without arguments, since arguments select other tests.
    if arguments.is_empty() {
        programs.push(command("test --workspace --no-fail-fast --doc"));
    }
    programs
}

/// Fails on `-p`. Cargo ignores it beside `--workspace`; alone it would rebuild most dependencies with the features of
/// that crate.
fn refuse_packages(arguments: &[String]) -> Result<()> {
    let ours = arguments.iter().take_while(|argument| *argument != "--");
    if ours.into_iter().any(|argument| argument.starts_with("-p") || argument.starts_with("--package")) {
        bail!(
            "choose crates by -E 'package(tenantry-store)', which needs cargo-nextest, or tests by a part of their names"
        );
    }
    Ok(())
}

/// Returns the program's own exit code; 1 when a signal ended it.
fn code(status: ExitStatus) -> ExitCode {
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn documentation_tests_are_never_left_out_of_a_full_run() {
        assert_eq!(programs(&[], false), [words("test --workspace --no-fail-fast")]);
        assert_eq!(
            programs(&[], true),
            [words("nextest run --workspace --no-fail-fast"), words("test --workspace --no-fail-fast --doc")]
        );
    }

    #[test]
    fn arguments_are_passed_on() {
        assert_eq!(programs(&words("roles"), false), [words("test --workspace --no-fail-fast roles")]);
        assert_eq!(programs(&words("roles"), true), [words("nextest run --workspace --no-fail-fast roles")]);
    }

    #[test]
    fn packages_are_refused_before_the_double_dash_only() {
        assert!(refuse_packages(&words("-p tenantry-store")).is_err());
        assert!(refuse_packages(&words("--package=tenantry-store")).is_err());
        assert!(refuse_packages(&words("roles -- -p")).is_ok());
    }
}
