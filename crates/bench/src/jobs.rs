//! Measures the queue as an embedding service uses it: its store on a database with fsync, and its worker, in this
//! process.

pub(crate) mod cost;
mod latency;
mod place;
mod throughput;

use anyhow::Result;
use std::path::PathBuf;

use crate::report::Figure;
pub(crate) use place::JobDatabase;

/// Options of a run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct JobsOptions {
    /// A PostgreSQL with fsync, and a role that may create databases
    #[arg(long)]
    postgres: String,
    /// A Redis that wakes workers
    #[arg(long)]
    redis: String,
    /// Number of jobs, each without any effect
    #[arg(long, default_value_t = 50_000)]
    jobs: usize,
    /// Number of rounds
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Also write the table between the markers of this document
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Only these parts
    #[arg(long, value_delimiter = ',', default_value = "throughput,latency,cost")]
    only: Vec<String>,
}

impl JobsOptions {
    /// Describes the conditions of the run in a sentence.
    pub(crate) fn circumstances(&self) -> String {
        let Self { jobs, rounds, .. } = self;
        format!("{jobs} jobs of no effect, {} at once, {rounds} rounds.", place::CONCURRENCY)
    }

    /// Measures everything and reports progress on stderr.
    pub(crate) async fn figures(&self) -> Result<Vec<Figure>> {
        let wants = |part: &str| self.only.iter().any(|wanted| wanted == part);
        let mut figures = Vec::new();
        if wants("throughput") {
            figures.extend(throughput::figures(&self.postgres, self.jobs, self.rounds).await?);
        }
        if wants("latency") {
            figures.extend(latency::figures(&self.postgres, &self.redis).await?);
        }
        if wants("cost") {
            figures.push(cost::figure(&JobDatabase::postgres(&self.postgres, "bench_cost").await?).await?);
        }
        Ok(figures)
    }
}
