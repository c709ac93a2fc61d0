//! Measures the real server from outside, beside what it could be at best: a bare route, hashing alone, the same
//! statements without a server. `cargo xtask bench` builds and runs it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program says what it found")]

mod bare;
mod hashing;
mod load;
mod measure;
mod people;
mod replay;
mod report;
mod server;
mod wire;

use anyhow::Result;
use clap::Parser;
use measure::Run;
use std::{path::PathBuf, process::ExitCode};

/// Measures the real server from outside.
#[derive(Parser)]
enum Task {
    /// Measure, and print a table.
    Run(Run),
    /// Serve an answer by a bare route.
    #[command(hide = true)]
    Bare {
        /// What to answer
        answer: PathBuf,
        /// Where to listen
        #[arg(long, env = "PORT")]
        port: u16,
    },
}

fn main() -> Result<ExitCode> {
    match Task::parse() {
        Task::Bare { answer, port } => bare::serve(&answer, port).map(|()| ExitCode::SUCCESS),
        Task::Run(run) => tokio::runtime::Runtime::new()?.block_on(measure(&run)),
    }
}

async fn measure(run: &Run) -> Result<ExitCode> {
    let circumstances = run.circumstances().await?;
    let figures = run.figures().await?;
    let report = format!("{circumstances}\n\n{}", report::table(&figures));
    println!("{report}");
    if let Some(document) = &run.write {
        report::put_into(document, &report)?;
    }
    let missed = figures.iter().filter(|figure| !figure.reaches_its_bar()).count();
    eprintln!("==> {} figures, {missed} below their bar", figures.len());
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
