//! The workspace's own commands: `cargo xtask check | test | bench | upgrade`. Each command has a module. What several commands
//! need (programs that end with this process, a private PostgreSQL) has modules of its own.

#![expect(clippy::print_stderr, reason = "a command line program reports its progress on stderr")]

mod bench;
mod check;
mod dependency_rule;
mod process;
mod services;
mod test;
mod type_names;
mod upgrade;

use clap::{Parser, Subcommand};
use process::{Interrupted, Runner};
use std::process::ExitCode;

/// The workspace's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Check(check::CheckOptions),
    Test(test::TestOptions),
    Bench(bench::BenchOptions),
    Upgrade(upgrade::UpgradeOptions),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = Runner::new().and_then(|mut runner| match arguments.task {
        Task::Check(options) => check::run(&mut runner, &options),
        Task::Test(options) => test::run(&mut runner, &options),
        Task::Bench(options) => bench::run(&mut runner, &options),
        Task::Upgrade(options) => upgrade::run(&mut runner, &options),
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            // The exit code of a shell for a program that ctrl-c ended.
            if error.is::<Interrupted>() { ExitCode::from(130) } else { ExitCode::FAILURE }
        }
    }
}
