//! Measures the processor time of each list, of the server and the database together, beside that of its own statements
//! on one connection.

mod fill;
mod processes;
mod statements;

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

use crate::{
    load::{Client, LoadClient, closed_loop},
    people::{MakesRoles, ReadsPath, Refreshes, SignedInOwner, register},
    report::{Bar, Figure},
    server::Server,
};
use processes::PostgresProcesses;
use statements::{Bare, ListStatements};

/// Options of a run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ListsOptions {
    /// The server's program
    #[arg(long)]
    tenantry: PathBuf,
    /// A PostgreSQL with fsync, and a role that may create databases
    #[arg(long)]
    postgres: String,
    /// The program of an earlier release, to compare the processor time of members, refreshes and roles on PostgreSQL
    #[arg(long)]
    earlier: Option<PathBuf>,
    /// Numbers of rows in the tenant
    #[arg(long, value_delimiter = ',', default_value = "1000,100000")]
    rows: Vec<u32>,
    /// Number of rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds per measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Also write the table between the markers of this document
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
}

/// A list, and the values of its statements in order.
pub(crate) struct ListRoute {
    what: &'static str,
    path: &'static str,
    /// The column of the first statement whose ids the second takes.
    ids: &'static str,
    values: &'static [&'static [Slot]],
}

/// A value of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    Tenant,
    Person,
    Ids,
}

const LISTS: [ListRoute; 6] = {
    use Slot::{Ids, Person, Tenant};
    [
        ListRoute { what: "`GET /users`", path: "/users", ids: "user_id", values: &[&[Tenant], &[Tenant, Ids]] },
        // The numbers of members are cached for a second.
        ListRoute { what: "`GET /roles`", path: "/roles", ids: "", values: &[&[Tenant]] },
        ListRoute { what: "`GET /invitations`", path: "/invitations", ids: "id", values: &[&[Tenant], &[Ids, Tenant]] },
        ListRoute {
            what: "`GET /files`",
            path: "/files",
            ids: "uploaded_by",
            values: &[&[Tenant], &[Person, Tenant, Ids]],
        },
        ListRoute { what: "`GET /jobs`", path: "/jobs", ids: "", values: &[&[Tenant]] },
        ListRoute { what: "`GET /audit-logs`", path: "/audit-logs", ids: "", values: &[&[Tenant]] },
    ]
};

/// Number of connections for the load.
const CONNECTIONS: usize = 8;

/// A server whose tenant has many rows of everything.
struct ListServer {
    name: &'static str,
    server: Server,
    store: FilledStore,
    owner: SignedInOwner,
    _folder: TempDir,
}

pub(crate) enum FilledStore {
    Sqlite(PathBuf),
    Postgres(String),
}

impl ListsOptions {
    /// Describes the conditions of the run in a sentence.
    pub(crate) fn circumstances(&self) -> String {
        let Self { rounds, seconds, .. } = self;
        format!("{rounds} rounds of {seconds} s, {CONNECTIONS} connections, the server's own pages of 20 rows.")
    }

    /// Measures everything and reports progress on stderr.
    pub(crate) async fn figures(&self) -> Result<Vec<Figure>> {
        let database = self.create_database("bench_lists_wire").await?;
        let statements = statements::capture(&self.tenantry, &database).await?;
        let mut figures = Vec::new();
        for rows in &self.rows {
            for name in ["SQLite", "PostgreSQL"] {
                let place = match name {
                    "SQLite" => self.sqlite().await?,
                    _ => self.postgres(&self.tenantry, "bench_lists").await?,
                };
                eprintln!("==> {rows} rows on {name}");
                fill::fill(&place.store, &place.owner, *rows).await?;
                for (route, statements) in LISTS.iter().zip(&statements) {
                    figures.push(self.list(&place, *rows, route, statements).await?);
                }
            }
        }
        if let Some(earlier) = &self.earlier {
            figures.extend(self.beside_earlier(earlier).await?);
        }
        Ok(figures)
    }

    async fn list(
        &self,
        place: &ListServer,
        rows: u32,
        route: &ListRoute,
        statements: &ListStatements,
    ) -> Result<Figure> {
        let what = format!("{} of {rows} rows", route.what).leak();
        let mut figure = Figure::new(what, place.name, "µs", Bar::RatioAtMost(2.5)).beside("its statements");
        let database = place.database_processes().await?;
        let mut bare = Bare::open(&place.store, &place.owner, route, statements).await?;
        let mut clients = vec![ReadsPath(place.owner.clone(), format!("{}?limit=20", route.path)); CONNECTIONS];
        for round in 0..self.rounds {
            eprintln!("==> {what} on {}, round {} of {}", place.name, round + 1, self.rounds);
            let (mut ours, mut alone) = (None, None);
            for turn in if round.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
                if turn == 0 {
                    ours = Some(self.load(place, &database, &mut clients).await?.1);
                } else {
                    alone = Some(self.alone(&mut bare, &database).await?);
                }
            }
            figure.add(ours.context("each round has both turns")?, alone);
        }
        Ok(figure)
    }

    /// Returns the requests per second, and the processor time of a request in microseconds.
    async fn load(
        &self,
        place: &ListServer,
        database: &PostgresProcesses,
        clients: &mut [impl LoadClient],
    ) -> Result<(f64, f64)> {
        let before = place.server.cpu()? + database.cpu()?;
        let (count, took) = closed_loop(place.server.address, clients, Duration::from_secs(self.seconds)).await?;
        let cpu = place.server.cpu()? + database.cpu()? - before;
        Ok((f64::from(count) / took.as_secs_f64(), cpu.as_secs_f64() * 1e6 / f64::from(count)))
    }

    async fn alone(&self, bare: &mut Bare, database: &PostgresProcesses) -> Result<f64> {
        let duration = Duration::from_secs(self.seconds);
        let (began, mut count) = (Instant::now(), 0_u32);
        let before = processes::own_cpu() + database.cpu()?;
        while began.elapsed() < duration {
            bare.read().await?;
            count += 1;
        }
        let cpu = processes::own_cpu() + database.cpu()? - before;
        Ok(cpu.as_secs_f64() * 1e6 / f64::from(count))
    }

    /// Compares the program with an earlier one, each on a database of its own.
    async fn beside_earlier(&self, earlier: &Path) -> Result<Vec<Figure>> {
        let places =
            [self.postgres(&self.tenantry, "bench_lists").await?, self.postgres(earlier, "bench_lists_earlier").await?];
        let mut databases = Vec::new();
        for place in &places {
            fill::fill(&place.store, &place.owner, 1_000).await?;
            databases.push(place.database_processes().await?);
        }
        let figure = |what, unit, bar| Figure::new(what, "PostgreSQL", unit, bar).beside("the earlier program");
        let mut cost = figure("`GET /users?limit=20`: server and database", "µs", Bar::RatioAtMost(0.4));
        let mut rate = figure("the same: rate", "/s", Bar::None);
        let mut refresh = figure("refresh: processor time of the server", "µs", Bar::RatioAtMost(0.75));
        let mut role = figure("role creation: processor time of the server", "µs", Bar::RatioAtMost(0.75));
        let mut refreshing: Vec<Vec<Refreshes>> = Vec::new();
        for place in &places {
            let sessions = register(place.server.address, "refreshing", u32::try_from(CONNECTIONS)?).await?;
            refreshing.push(sessions.into_iter().map(Refreshes).collect());
        }
        for round in 0..self.rounds {
            eprintln!("==> beside the earlier program, round {} of {}", round + 1, self.rounds);
            let mut measured = [[0.0; 4]; 2];
            for turn in if round.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
                let (place, database) = (&places[turn], &databases[turn]);
                let mut clients = vec![ReadsPath(place.owner.clone(), "/users?limit=20".to_owned()); CONNECTIONS];
                let (per_second, micros) = self.load(place, database, &mut clients).await?;
                let nothing = PostgresProcesses::default();
                let (_, of_refresh) = self.load(place, &nothing, &mut refreshing[turn]).await?;
                let mut clients: Vec<MakesRoles> = refreshing[turn].iter().map(|it| MakesRoles(it.0.clone())).collect();
                let (_, of_role) = self.load(place, &nothing, &mut clients).await?;
                measured[turn] = [micros, per_second, of_refresh, of_role];
            }
            let [ours, theirs] = measured;
            for (figure, value) in [&mut cost, &mut rate, &mut refresh, &mut role].into_iter().zip(0..) {
                figure.add(ours[value], Some(theirs[value]));
            }
        }
        Ok(vec![cost, rate, refresh, role])
    }

    async fn sqlite(&self) -> Result<ListServer> {
        let folder = TempDir::with_prefix("tenantry-bench-")?;
        let server = Server::without_worker(&self.tenantry, folder.path(), &[])?;
        let store = FilledStore::Sqlite(folder.path().join("tenantry.db"));
        ListServer::furnish("SQLite", server, store, folder).await
    }

    async fn postgres(&self, program: &Path, database: &str) -> Result<ListServer> {
        let url = self.create_database(database).await?;
        let folder = TempDir::with_prefix("tenantry-bench-")?;
        let server = Server::without_worker(program, folder.path(), &[("DATABASE_URL", &url)])?;
        ListServer::furnish("PostgreSQL", server, FilledStore::Postgres(url), folder).await
    }

    async fn create_database(&self, name: &str) -> Result<String> {
        let mut connection = PgConnection::connect(&self.postgres).await?;
        for statement in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
            sqlx::query(AssertSqlSafe(format!("{statement} {name}"))).execute(&mut connection).await?;
        }
        connection.close().await?;
        let (server, _) = self.postgres.rsplit_once('/').context("the address of PostgreSQL names a database")?;
        Ok(format!("{server}/{name}"))
    }
}

impl ListServer {
    async fn furnish(name: &'static str, server: Server, store: FilledStore, folder: TempDir) -> Result<Self> {
        let owner = register(server.address, "lister", 1).await?.remove(0);
        // The server looks the session up once, and then caches it.
        Client::open(server.address).await?.succeed(owner.read("/auth/me")?).await?;
        Ok(Self { name, server, store, owner, _folder: folder })
    }

    async fn database_processes(&self) -> Result<PostgresProcesses> {
        match &self.store {
            FilledStore::Sqlite(_) => Ok(PostgresProcesses::default()),
            FilledStore::Postgres(url) => PostgresProcesses::of(url).await,
        }
    }
}
