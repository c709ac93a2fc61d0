//! Measures the real server from outside and compares it with its upper bounds: a bare route, hashing alone, the same
//! statements without a server. Measures the queue as an embedding service uses it. `cargo xtask bench` builds and runs
//! this program.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program prints its results")]

mod audit;
mod bare;
mod files;
mod hashing;
mod jobs;
mod limits;
mod lists;
mod load;
mod measure;
mod people;
mod replay;
mod report;
mod server;
mod wire;

use anyhow::Result;
use clap::Parser;
use measure::MeasureOptions;
use report::Figure;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Measures the real server from outside.
#[derive(Parser)]
enum Task {
    /// Measure, and print a table.
    Run(MeasureOptions),
    /// Measure the queue, and print a table.
    Jobs(jobs::JobsOptions),
    /// Measure uploads and downloads, and print a table.
    Files(files::FilesOptions),
    /// Serve a file with a bare route.
    #[command(hide = true)]
    BareFile {
        /// The file to serve
        file: PathBuf,
        /// The port to listen on
        #[arg(long, env = "PORT")]
        port: u16,
    },
    /// Measure the audit log, and print a table.
    Audit(audit::AuditOptions),
    /// Measure lists, and print a table.
    Lists(lists::ListsOptions),
    /// Serve a response with a bare route.
    #[command(hide = true)]
    Bare {
        /// The response to serve
        answer: PathBuf,
        /// The port to listen on
        #[arg(long, env = "PORT")]
        port: u16,
    },
}

fn main() -> Result<ExitCode> {
    match Task::parse() {
        Task::Bare { answer, port } => bare::serve(&answer, port).map(|()| ExitCode::SUCCESS),
        Task::BareFile { file, port } => bare::serve_file(file, port).map(|()| ExitCode::SUCCESS),
        Task::Files(run) => tokio::runtime::Runtime::new()?
            .block_on(async { tell(&run.circumstances(), &run.figures().await?, run.write.as_deref(), report::FILES) }),
        Task::Run(run) => tokio::runtime::Runtime::new()?.block_on(async {
            let circumstances = run.circumstances().await?;
            tell(&circumstances, &run.figures().await?, run.write.as_deref(), report::SERVER)
        }),
        Task::Audit(run) => tokio::runtime::Runtime::new()?
            .block_on(async { tell(&run.circumstances(), &run.figures().await?, run.write.as_deref(), report::AUDIT) }),
        Task::Lists(run) => tokio::runtime::Runtime::new()?
            .block_on(async { tell(&run.circumstances(), &run.figures().await?, run.write.as_deref(), report::LISTS) }),
        Task::Jobs(run) => tokio::runtime::Runtime::new()?
            .block_on(async { tell(&run.circumstances(), &run.figures().await?, run.write.as_deref(), report::QUEUE) }),
    }
}

fn tell(circumstances: &str, figures: &[Figure], document: Option<&Path>, place: [&str; 2]) -> Result<ExitCode> {
    let report = format!("{circumstances}\n\n{}", report::table(figures));
    println!("{report}");
    if let Some(document) = document {
        report::put_into(document, place, &report)?;
    }
    let missed = figures.iter().filter(|figure| !figure.reaches_its_bar()).count();
    eprintln!("==> {} figures, {missed} below their bar", figures.len());
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
