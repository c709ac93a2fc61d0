//! `cargo xtask check`: every automatic check of the sources.

use crate::{
    dependency_rule,
    process::{Runner, cargo, cargo_has},
    type_names,
};
use anyhow::{Result, bail};
use std::{
    path::Path,
    process::{Command, ExitCode},
};

/// Check formatting, the dependency rule, type names, clippy, documentation and the files of deploy/. Warnings are errors.
///
/// Every check runs, even after one has failed; the last lines name those that failed.
#[derive(clap::Args)]
pub(crate) struct CheckOptions {
    /// Also check licences, advisories and banned crates, by cargo-deny (which has to be installed and needs the network).
    #[arg(long)]
    full: bool,
}

/// The name of a check and its function, which fails with the reason.
type Check = (&'static str, fn(&mut Runner) -> Result<()>);

const CHECKS: [Check; 6] = [
    ("formatting", |runner| must_succeed(runner, &mut cargo(["fmt", "--all", "--check"]))),
    ("dependency rule", |_| dependency_rule::check()),
    ("type names", |_| type_names::check()),
    ("clippy", |runner| {
        must_succeed(runner, &mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    }),
    ("documentation", |runner| {
        must_succeed(runner, cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("deployment", |runner| must_succeed(runner, &mut Command::new("deploy/check.sh"))),
];

const DENY: Check = ("cargo deny", |runner| {
    if !cargo_has("deny") {
        bail!("cargo-deny is not installed: run `cargo install --locked cargo-deny` (once; it takes a while)");
    }
    must_succeed(runner, &mut cargo(["deny", "--workspace", "check"]))
});

/// Runs the checks. Returns success only when all of them passed.
pub(crate) fn run(runner: &mut Runner, options: &CheckOptions) -> Result<ExitCode> {
    let mut failures = Vec::new();
    for (name, check) in CHECKS.into_iter().chain(options.full.then_some(DENY)) {
        eprintln!("==> {name}");
        match check(runner) {
            Ok(()) => {}
            Err(error) if error.is::<crate::Interrupted>() => return Err(error),
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }
    if failures.is_empty() {
        eprintln!("==> every check passed");
        return Ok(ExitCode::SUCCESS);
    }
    for failure in failures {
        eprintln!("==> failed: {failure}");
    }
    Ok(ExitCode::FAILURE)
}

fn must_succeed(runner: &mut Runner, command: &mut Command) -> Result<()> {
    let status = runner.run(command)?;
    if !status.success() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
        bail!("`{program} {}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}
