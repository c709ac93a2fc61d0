//! Measurements of the server. Each is taken in rounds in which the contestants take turns; every second round runs
//! backwards, so that other load on the machine affects all of them alike.

use anyhow::{Context, Result};
use futures::future::LocalBoxFuture;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::{fs, path::PathBuf, time::Duration};
use tempfile::TempDir;
use tokio::{net::lookup_host, time::sleep};

use crate::{
    bare, hashing, limits,
    load::{Client, LoadClient, closed_loop, open_loop, quantile},
    people::{AsksMe, MakesRoles, Refreshes, SignedInOwner, SignsIn, register},
    replay::{ReplayTarget, SCRIPTS, Script},
    report::{Bar, Figure},
    server::Server,
    wire,
};

/// Options of a run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct MeasureOptions {
    /// The server's program
    #[arg(long)]
    tenantry: PathBuf,
    /// A PostgreSQL with fsync, and a role that may create databases
    #[arg(long)]
    postgres: String,
    /// The program of that name
    #[arg(long)]
    pgbench: PathBuf,
    /// A Redis
    #[arg(long)]
    redis: String,
    /// Number of rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds per measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Also write the table between the markers of this document
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Only these parts
    #[arg(long, value_delimiter = ',', default_value = "start,limits,me,sign-in,refresh,role")]
    only: Vec<String>,
}

/// A database with its server and its users.
struct MeasuredServer {
    name: &'static str,
    server: Server,
    store: Store,
    /// Their first session sends requests; a second one serves the replays.
    owners: Vec<SignedInOwner>,
    targets: Vec<ReplayTarget>,
    /// Users who sign in again and again, which ends their older sessions.
    guests: Vec<SignedInOwner>,
    _folder: TempDir,
}

enum Store {
    Sqlite(PathBuf),
    Postgres { url: String, pgbench: PathBuf },
}

/// Number of connections for the load on `GET /auth/me`.
const CONNECTIONS: usize = 32;
/// The server's default number of connections to its database.
const POOL: u32 = 10;
/// Concurrent sign-ins per hashing thread.
const GUESTS_PER_THREAD: usize = 8;
/// Rate of `GET /auth/me` per second beside sign-ins.
const STEADY: u32 = 500;

impl MeasureOptions {
    /// Measures everything and reports progress on stderr.
    pub(crate) async fn figures(&self) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        if self.wants("start") {
            figures.extend(self.start().await?);
        }
        if self.wants("limits") {
            self.say("limits", 0);
            figures.extend(limits::figures(&self.redis, self.rounds).await?);
        }
        let scripts = [Script::parse(SCRIPTS[0])?, Script::parse(SCRIPTS[1])?];
        self.require_honest(&scripts).await?;
        let mut places = [self.sqlite().await?, self.postgres("bench").await?];
        if self.wants("me") {
            figures.extend(self.me(&places).await?);
        }
        if self.wants("sign-in") {
            figures.extend(self.sign_in(&places).await?);
        }
        for (part, script) in ["refresh", "role"].into_iter().zip(&scripts) {
            if self.wants(part) {
                figures.extend(self.change(&mut places, part, script).await?);
            }
        }
        for place in &places {
            let mut figure = Figure::new("memory after all this", place.name, "MB", Bar::None);
            figure.add(megabytes(place.server.memory()?), None);
            figures.push(figure);
        }
        Ok(figures)
    }

    /// Describes the conditions of the run in a sentence.
    pub(crate) async fn circumstances(&self) -> Result<String> {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        let cores = std::thread::available_parallelism()?;
        let cpu = read("/proc/cpuinfo");
        let model =
            cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).unwrap_or_default().1;
        let loads = read("/proc/loadavg");
        let load = loads.split(' ').next().unwrap_or_default();
        let mut connection = PgConnection::connect(&self.postgres).await?;
        let postgres: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
        connection.close().await?;
        let Self { rounds, seconds, .. } = self;
        Ok(format!(
            "{cores} cores ({model}), PostgreSQL {postgres}, {rounds} rounds of {seconds} s; load average before: {load}."
        ))
    }

    fn wants(&self, part: &str) -> bool {
        self.only.iter().any(|wanted| wanted == part)
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    async fn sqlite(&self) -> Result<MeasuredServer> {
        let folder = TempDir::with_prefix("tenantry-bench-")?;
        let server = Server::tenantry(&self.tenantry, folder.path(), &[])?;
        let store = Store::Sqlite(folder.path().join("tenantry.db"));
        MeasuredServer::furnish("SQLite", server, store, folder).await
    }

    async fn postgres(&self, database: &str) -> Result<MeasuredServer> {
        let url = self.create_database(database).await?;
        let folder = TempDir::with_prefix("tenantry-bench-")?;
        let server = Server::tenantry(&self.tenantry, folder.path(), &[("DATABASE_URL", &url)])?;
        let store = Store::Postgres { url, pgbench: self.pgbench.clone() };
        MeasuredServer::furnish("PostgreSQL", server, store, folder).await
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

    /// Captures the statements that the server sends for one refresh and one role, and fails when the replay differs
    /// from them.
    async fn require_honest(&self, [refresh, role]: &[Script; 2]) -> Result<()> {
        let url = self.create_database("bench_wire").await?;
        let (_, rest) = url.split_once('@').context("the address of PostgreSQL names a role")?;
        let (host, _) = rest.split_once('/').context("the address of PostgreSQL names a database")?;
        let postgres = lookup_host(host).await?.next().context("the address of PostgreSQL is not known")?;
        let (address, heard) = wire::listen(postgres).await?;
        let url = format!("{}?sslmode=disable", url.replace(host, &address.to_string()));
        let folder = TempDir::with_prefix("tenantry-bench-")?;
        // With rate limits on, the process also records heartbeats.
        let settings = [("DATABASE_URL", url.as_str()), ("RATE_LIMITS", "off")];
        let server = Server::without_worker(&self.tenantry, folder.path(), &settings)?;
        let person = register(server.address, "wire", 1).await?.remove(0);
        let mut connection = Client::open(server.address).await?;
        connection.succeed(AsksMe(person.clone()).next_call()?).await?;
        // The server caches what it looked up, and rolls back that unit concurrently with the response.
        heard.wait_for_silence().await;
        connection.succeed(Refreshes(person.clone()).next_call()?).await?;
        refresh.require_same(&heard.take())?;
        connection.succeed(MakesRoles(person).next_call()?).await?;
        role.require_same(&heard.take())
    }

    /// Measures the time until a server answers on an existing database, and its idle memory.
    async fn start(&self) -> Result<[Figure; 2]> {
        let mut start = Figure::new("start until `/livez` answers", "SQLite", "ms", Bar::Under(300.0));
        let mut memory = Figure::new("memory when idle", "SQLite", "MB", Bar::Under(60.0));
        let folder = TempDir::with_prefix("tenantry-bench-")?;
        drop(Server::tenantry(&self.tenantry, folder.path(), &[])?);
        for round in 0..self.rounds {
            self.say("start", round);
            let server = Server::tenantry(&self.tenantry, folder.path(), &[])?;
            start.add(milliseconds(server.started_in), None);
            sleep(Duration::from_secs(1)).await;
            memory.add(megabytes(server.memory()?), None);
        }
        Ok([start, memory])
    }

    /// Measures the processor time of `GET /auth/me`, compared with a bare route that returns the same response.
    async fn me(&self, places: &[MeasuredServer; 2]) -> Result<Vec<Figure>> {
        let folder = TempDir::with_prefix("tenantry-bench-")?;
        let answer = folder.path().join("answer.json");
        let call = AsksMe(places[0].owners[0].clone()).next_call()?;
        let reply = Client::open(places[0].server.address).await?.succeed(call).await?;
        bare::write(&answer, &reply.headers, &reply.body)?;
        let bare = Server::bare(&answer)?;
        let with_redis = TempDir::with_prefix("tenantry-bench-")?;
        let with_redis = MeasuredServer::furnish(
            "SQLite, counted in Redis",
            Server::tenantry(&self.tenantry, with_redis.path(), &[("REDIS_URL", &self.redis)])?,
            Store::Sqlite(with_redis.path().join("tenantry.db")),
            with_redis,
        )
        .await?;

        let what = "`GET /auth/me`: processor time of a request, 32 connections";
        let figure = |place: &MeasuredServer, bar| Figure::new(what, place.name, "µs", bar).beside("bare actix");
        let mut figures: Vec<Figure> = places.iter().map(|place| figure(place, Bar::RatioAtMost(2.0))).collect();
        figures.push(figure(&with_redis, Bar::None));
        let servers = [&bare, &places[0].server, &places[1].server, &with_redis.server];
        let owners = [&places[0].owners, &places[0].owners, &places[1].owners, &with_redis.owners];
        for round in 0..self.rounds {
            self.say("me", round);
            let measured = in_turn(round, 4, |turn| {
                Box::pin(async move {
                    let mut clients = asks_me(owners[turn], CONNECTIONS);
                    Ok(self.load(servers[turn], &mut clients).await?.cpu_micros)
                })
            });
            let measured = measured.await?;
            figures.iter_mut().zip(&measured[1..]).for_each(|(figure, ours)| figure.add(*ours, Some(measured[0])));
        }
        Ok(figures)
    }

    /// Measures sign-ins per second, compared with hashing alone, while other users call `GET /auth/me` at a steady
    /// rate.
    async fn sign_in(&self, places: &[MeasuredServer; 2]) -> Result<Vec<Figure>> {
        let rate = |place: &MeasuredServer| {
            Figure::new("sign-ins", place.name, "/s", Bar::RatioAtLeast(0.85)).beside("Argon2 alone")
        };
        let latency = |place: &MeasuredServer, what, bar| Figure::new(what, place.name, "ms", bar);
        let mut rates: Vec<Figure> = places.iter().map(rate).collect();
        let what = "meanwhile 500/s of `GET /auth/me`: 99th percentile";
        let mut slowest: Vec<Figure> = places.iter().map(|place| latency(place, what, Bar::Under(25.0))).collect();
        let what = "the same: median";
        let mut usual: Vec<Figure> = places.iter().map(|place| latency(place, what, Bar::None)).collect();
        for round in 0..self.rounds {
            self.say("sign-in", round);
            let measured = in_turn(round, 3, |turn| {
                Box::pin(async move {
                    let Some(place) = turn.checked_sub(1).map(|place| &places[place]) else {
                        let duration = self.duration();
                        let alone = tokio::task::spawn_blocking(move || hashing::rate(duration)).await??;
                        return Ok((alone, Vec::new()));
                    };
                    let mut guests: Vec<SignsIn> = place.guests.iter().cloned().map(SignsIn).collect();
                    let mut others = asks_me(&place.owners, CONNECTIONS);
                    let (load, latencies) = tokio::try_join!(
                        self.load(&place.server, &mut guests),
                        open_loop(place.server.address, &mut others, STEADY, self.duration())
                    )?;
                    Ok((load.per_second, latencies))
                })
            });
            let measured = measured.await?;
            for (place, (rate, latencies)) in measured[1..].iter().enumerate() {
                rates[place].add(*rate, Some(measured[0].0));
                slowest[place].add(milliseconds(quantile(latencies, 0.99)), None);
                usual[place].add(milliseconds(quantile(latencies, 0.5)), None);
            }
        }
        Ok(rates.into_iter().chain(slowest).chain(usual).collect())
    }

    /// Measures changes per second, compared with their bare statements, and the server's processor time per change.
    async fn change(
        &self,
        places: &mut [MeasuredServer; 2],
        part: &'static str,
        script: &Script,
    ) -> Result<Vec<Figure>> {
        let (cost, rate) = match part {
            "refresh" => ("refresh: processor time of a request", "refreshes, 10 connections"),
            _ => ("role creation: processor time of a request", "role creations, 10 connections"),
        };
        let mut figures = Vec::new();
        for place in places {
            let mut cost = Figure::new(cost, place.name, "µs", Bar::None);
            let mut rate =
                Figure::new(rate, place.name, "/s", Bar::RatioAtLeast(0.4)).beside(place.store.replayed_by());
            let mut refreshing: Vec<Refreshes> = place.owners.iter().cloned().map(Refreshes).collect();
            for round in 0..self.rounds {
                self.say(part, round);
                let mut ours = None;
                let mut alone = None;
                for turn in if round.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
                    if turn == 0 {
                        alone = Some(place.store.replay(script, &place.targets, self.duration()).await?);
                    } else if part == "refresh" {
                        ours = Some(self.load(&place.server, &mut refreshing).await?);
                    } else {
                        let client = |person: &SignedInOwner| MakesRoles(person.clone());
                        let mut clients: Vec<MakesRoles> = place.owners.iter().map(client).collect();
                        ours = Some(self.load(&place.server, &mut clients).await?);
                    }
                }
                let ours = ours.context("each round has both turns")?;
                cost.add(ours.cpu_micros, None);
                rate.add(ours.per_second, alone);
            }
            place.owners = refreshing.into_iter().map(|client| client.0).collect();
            figures.extend([cost, rate]);
        }
        Ok(figures)
    }

    async fn load(&self, server: &Server, clients: &mut [impl LoadClient]) -> Result<Load> {
        let before = server.cpu()?;
        let (count, took) = closed_loop(server.address, clients, self.duration()).await?;
        let cpu = server.cpu()? - before;
        let count = f64::from(count);
        Ok(Load { per_second: count / took.as_secs_f64(), cpu_micros: cpu.as_secs_f64() * 1e6 / count })
    }

    fn say(&self, part: &str, round: usize) {
        eprintln!("==> {part}, round {} of {}", round + 1, self.rounds);
    }
}

/// Result of a closed loop.
struct Load {
    per_second: f64,
    /// The server's processor time per request in microseconds.
    cpu_micros: f64,
}

impl MeasuredServer {
    async fn furnish(name: &'static str, server: Server, store: Store, folder: TempDir) -> Result<Self> {
        let address = server.address;
        let owners = register(address, "owner", POOL).await?;
        let guests = register(address, "guest", u32::try_from(hashing::threads() * GUESTS_PER_THREAD)?.min(10)).await?;
        let mut targets = Vec::new();
        for owner in &owners {
            let other = owner.sign_in(address).await?;
            let session = other.session(address).await?;
            targets.push(ReplayTarget { session, tenant: other.tenant, person: other.user });
        }
        Ok(Self { name, server, store, owners, targets, guests, _folder: folder })
    }
}

impl Store {
    fn replayed_by(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "a loop of sqlx",
            Self::Postgres { .. } => "pgbench",
        }
    }

    async fn replay(&self, script: &Script, targets: &[ReplayTarget], duration: Duration) -> Result<f64> {
        match self {
            Self::Sqlite(file) => script.replay_on_sqlite(file, targets, duration).await,
            Self::Postgres { url, pgbench } => script.replay_on_postgres(pgbench, url, targets, duration).await,
        }
    }
}

fn asks_me(people: &[SignedInOwner], count: usize) -> Vec<AsksMe> {
    people.iter().cycle().take(count).cloned().map(AsksMe).collect()
}

/// Runs the contestants one after the other, in order in even rounds and backwards in odd ones.
async fn in_turn<'a, T>(
    round: usize,
    count: usize,
    take: impl Fn(usize) -> LocalBoxFuture<'a, Result<T>>,
) -> Result<Vec<T>> {
    let mut taken = Vec::new();
    for turn in 0..count {
        let turn = if round.is_multiple_of(2) { turn } else { count - 1 - turn };
        taken.push((turn, take(turn).await?));
    }
    taken.sort_by_key(|(turn, _)| *turn);
    Ok(taken.into_iter().map(|(_, outcome)| outcome).collect())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
