//! Measures `GET /audit-logs` over HTTP, compared with the bare query of a page.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection as _, Executor, PgConnection, SqliteConnection};
use std::time::{Duration, Instant};
use tokio::time::sleep_until;

use super::{
    AuditOptions, AuditServer, Store,
    fill::{ACTOR, BEGIN_MILLIS, TARGET},
};
use crate::{
    load::{Client, one_by_one, open_loop, quantile},
    people::ReadsPath,
    report::{Bar, Figure},
};

/// Pages per second, for the tail latency.
const RATE: u32 = 100;
/// Number of consecutive pages, for the median.
const TIMES: usize = 500;

/// A name, the query string of the URL, and the same condition in SQL.
struct Page {
    what: &'static str,
    query: String,
    sql: String,
}

pub(super) async fn figures(run: &AuditOptions, place: &AuditServer) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for page in pages(run, place).await? {
        eprintln!("==> {} on {}", page.what, place.name);
        let mut tail =
            Figure::new(page.what, place.name, "ms", Bar::UnderAndRatioAtMost(10.0, 2.0)).beside("its query alone");
        let mut middle =
            Figure::new("the same, one after the other: median", place.name, "ms", Bar::None).beside("its query alone");
        for _ in 0..run.rounds {
            let mut clients = [ReadsPath(place.owner.clone(), format!("/audit-logs?{}", page.query))];
            let mut bare = Bare::open(place, &page.sql).await?;
            let duration = Duration::from_secs(run.seconds);
            let ours = open_loop(place.server.address, &mut clients, RATE, duration).await?;
            let alone = bare.at_a_rate(duration).await?;
            tail.add(millis(quantile(&ours, 0.99)), Some(millis(quantile(&alone, 0.99))));
            let [client] = &mut clients;
            let ours = one_by_one(place.server.address, client, TIMES).await?;
            let alone = bare.one_by_one().await?;
            middle.add(millis(quantile(&ours, 0.5)), Some(millis(quantile(&alone, 0.5))));
        }
        figures.extend([tail, middle]);
    }
    Ok(figures)
}

async fn pages(run: &AuditOptions, place: &AuditServer) -> Result<Vec<Page>> {
    let page = |what, query: String, sql: String| Page { what, query, sql };
    let id = |id: &str| match place.store {
        Store::Postgres(_) => format!("'{id}'::uuid"),
        Store::Sqlite(_) => format!("x'{}'", id.replace('-', "")),
    };
    // Halfway through the log, by the cursor of the previous page.
    let middle = chrono::DateTime::from_timestamp_millis(i64::try_from(BEGIN_MILLIS)? + i64::from(run.entries / 2));
    let to = middle.context("a time")?.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let mut client = Client::open(place.server.address).await?;
    let first = client.succeed(place.owner.read(&format!("/audit-logs?to={to}"))?).await?;
    let first: serde_json::Value = serde_json::from_slice(&first.body)?;
    let cursor = first["meta"]["nextCursor"].as_str().context("a long log has a second page")?;
    let last = first["data"].as_array().and_then(|page| page.last()).context("a page has rows")?;
    let last = last["id"].as_str().context("a row has an id")?;
    let edge = format!("{:012x}", BEGIN_MILLIS + u64::from(run.entries / 2));
    let edge = id(&format!("{}-{}-0000-0000-000000000000", &edge[..8], &edge[8..]));
    let (from, until) = (format!("id >= {edge}"), format!("id < {edge} AND id < {}", id(last)));
    Ok(vec![
        page("first page: 99th percentile", String::new(), "1 = 1".into()),
        page("a page in the middle, by cursor", format!("to={to}&cursor={cursor}"), until),
        page("by a frequent action", "action=session.started".into(), "action = 'session.started'".into()),
        page("by an action, one in 10,000", "action=role.deleted".into(), "action = 'role.deleted'".into()),
        page(
            "by a group of actions",
            "action=role.*".into(),
            "action IN ('role.created', 'role.updated', 'role.deleted')".into(),
        ),
        page("by actor", format!("actorId={ACTOR}"), format!("actor_id = {}", id(ACTOR))),
        page("by kind of target", "targetType=role".into(), "target_type = 'role'".into()),
        page("by target", format!("targetId={TARGET}"), format!("target_id = {}", id(TARGET))),
        page("by outcome", "outcome=denied".into(), "outcome = 'denied'".into()),
        page("from a moment on", format!("from={to}"), from),
    ])
}

/// The query of a page on its own connection, including the transaction and its scope.
struct Bare {
    connection: Connection,
    select: String,
    scope: String,
}

enum Connection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Bare {
    async fn open(place: &AuditServer, filter: &str) -> Result<Self> {
        let tenant = &place.owner.tenant;
        let (connection, id) = match &place.store {
            Store::Postgres(url) => {
                (Connection::Postgres(PgConnection::connect(url).await?), format!("'{tenant}'::uuid"))
            }
            Store::Sqlite(file) => {
                let connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
                (Connection::Sqlite(connection), format!("x'{}'", tenant.replace('-', "")))
            }
        };
        let select = format!(
            "SELECT entry.*, salt, part FROM \
             (SELECT * FROM journal WHERE tenant_id = {id} AND {filter} ORDER BY id DESC LIMIT 21) AS entry \
             LEFT JOIN journal_parts ON event_id = entry.id ORDER BY entry.id DESC"
        );
        Ok(Self { connection, select, scope: format!("SELECT set_config('app.tenant', '{tenant}', true)") })
    }

    async fn page(&mut self) -> Result<()> {
        let select = AssertSqlSafe(self.select.clone());
        match &mut self.connection {
            Connection::Postgres(connection) => {
                let mut unit = connection.begin().await?;
                unit.execute(sqlx::query(AssertSqlSafe(self.scope.clone()))).await?;
                sqlx::query(select).fetch_all(&mut *unit).await?;
                unit.rollback().await?;
            }
            Connection::Sqlite(connection) => {
                let mut unit = connection.begin().await?;
                sqlx::query(select).fetch_all(&mut *unit).await?;
                unit.rollback().await?;
            }
        }
        Ok(())
    }

    /// Sends queries at the rate at which the server is asked. A latency counts from the scheduled time of the query.
    async fn at_a_rate(&mut self, duration: Duration) -> Result<Vec<Duration>> {
        let interval = Duration::from_secs(1) / RATE;
        let began = tokio::time::Instant::now() + interval;
        let (mut intended, mut took) = (began, Vec::new());
        while intended < began + duration {
            sleep_until(intended).await;
            self.page().await?;
            took.push(intended.elapsed());
            intended += interval;
        }
        took.sort_unstable();
        Ok(took)
    }

    async fn one_by_one(&mut self) -> Result<Vec<Duration>> {
        let mut took = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let began = Instant::now();
            self.page().await?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        Ok(took)
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
