//! Measures the audit log: lists and exports of a long log by the real server, and the cost of sealing for writers.

mod export;
mod fill;
mod list;
mod sealing;

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::path::PathBuf;
use tempfile::TempDir;

use crate::{
    jobs,
    people::{SignedInOwner, register},
    report::Figure,
    server::Server,
};

/// Options of a run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AuditOptions {
    /// The server's program
    #[arg(long)]
    tenantry: PathBuf,
    /// A PostgreSQL with fsync, and a role that may create databases
    #[arg(long)]
    postgres: String,
    /// The program of that name
    #[arg(long)]
    psql: PathBuf,
    /// Number of entries in the log
    #[arg(long, default_value_t = 1_000_000)]
    entries: u32,
    /// Number of rounds
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds per list
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Also write the table between the markers of this document
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Only these parts
    #[arg(long, value_delimiter = ',', default_value = "list,export,sealing")]
    only: Vec<String>,
}

/// A server whose only tenant has a long log.
struct AuditServer {
    name: &'static str,
    server: Server,
    store: Store,
    owner: SignedInOwner,
    _folder: TempDir,
}

enum Store {
    Sqlite(PathBuf),
    Postgres(String),
}

impl AuditOptions {
    /// Describes the conditions of the run in a sentence.
    pub(crate) fn circumstances(&self) -> String {
        let Self { entries, rounds, .. } = self;
        format!("A log of {entries} entries, {rounds} rounds.")
    }

    /// Measures everything and reports progress on stderr.
    pub(crate) async fn figures(&self) -> Result<Vec<Figure>> {
        let wants = |part: &str| self.only.iter().any(|wanted| wanted == part);
        let mut figures = Vec::new();
        if wants("list") || wants("export") {
            for place in [self.sqlite().await?, self.postgres().await?] {
                if wants("list") {
                    figures.extend(list::figures(self, &place).await?);
                }
                if wants("export") {
                    figures.extend(export::figures(self, &place).await?);
                }
            }
        }
        if wants("sealing") {
            figures.push(sealing::figure(&jobs::JobDatabase::postgres(&self.postgres, "bench_sealing").await?).await?);
        }
        Ok(figures)
    }

    async fn sqlite(&self) -> Result<AuditServer> {
        let folder = TempDir::with_prefix("tenantry-bench-")?;
        let store = Store::Sqlite(folder.path().join("tenantry.db"));
        self.place("SQLite", folder, store, &[]).await
    }

    async fn postgres(&self) -> Result<AuditServer> {
        let mut connection = PgConnection::connect(&self.postgres).await?;
        for statement in ["DROP DATABASE IF EXISTS bench_audit", "CREATE DATABASE bench_audit"] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        connection.close().await?;
        let (server, _) = self.postgres.rsplit_once('/').context("the address of PostgreSQL names a database")?;
        let url = format!("{server}/bench_audit");
        let folder = TempDir::with_prefix("tenantry-bench-")?;
        self.place("PostgreSQL", folder, Store::Postgres(url.clone()), &[("DATABASE_URL", &url)]).await
    }

    async fn place(
        &self,
        name: &'static str,
        folder: TempDir,
        store: Store,
        settings: &[(&str, &str)],
    ) -> Result<AuditServer> {
        // Otherwise the server would seal a million entries while lists are read.
        let settings = [settings, &[("AUDIT_SEALS", "off")]].concat();
        let server = Server::tenantry(&self.tenantry, folder.path(), &settings)?;
        let owner = register(server.address, "auditor", 1).await?.remove(0);
        eprintln!("==> a log of {} entries on {name}", self.entries);
        fill::fill(&store, &owner.tenant, self.entries).await?;
        Ok(AuditServer { name, server, store, owner, _folder: folder })
    }
}
