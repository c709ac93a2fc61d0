//! `GET /audit-logs` over HTTP, beside the two queries of a page by themselves.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection as _, Executor, PgConnection, Row, SqliteConnection};
use std::time::{Duration, Instant};

use super::{
    Place, Run, Store,
    fill::{ACTOR, BEGIN_MILLIS, TARGET},
};
use crate::{
    load::{Client, open_loop, quantile},
    people::Reads,
    report::{Bar, Figure},
};

/// Pages a second, each on a connection of its own.
const RATE: u32 = 100;

/// A name, the query of the URL, and what it is in SQL.
struct Page {
    what: &'static str,
    query: String,
    sql: String,
}

pub(super) async fn figures(run: &Run, place: &Place) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for page in pages(run, place).await? {
        eprintln!("==> {} on {}", page.what, place.name);
        let mut tail = Figure::new(page.what, place.name, "ms", Bar::Under(10.0));
        let mut middle =
            Figure::new("the same: median", place.name, "ms", Bar::RatioAtMost(2.0)).beside("its queries alone");
        for _ in 0..run.rounds {
            let mut visitors = [Reads(place.owner.clone(), format!("/audit-logs?{}", page.query))];
            let duration = Duration::from_secs(run.seconds);
            let latencies = open_loop(place.server.address, &mut visitors, RATE, duration).await?;
            let bare = bare(&place.store, &place.owner.tenant, &page.sql).await?;
            tail.add(millis(quantile(&latencies, 0.99)), None);
            middle.add(millis(quantile(&latencies, 0.5)), Some(millis(quantile(&bare, 0.5))));
        }
        figures.extend([tail, middle]);
    }
    Ok(figures)
}

async fn pages(run: &Run, place: &Place) -> Result<Vec<Page>> {
    let page = |what, query: String, sql: String| Page { what, query, sql };
    let id = |id: &str| match place.store {
        Store::Postgres(_) => format!("'{id}'::uuid"),
        Store::Sqlite(_) => format!("x'{}'", id.replace('-', "")),
    };
    // Halfway through the log, by the cursor of the page before.
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

/// How long the queries of a page take on a connection of their own, the transaction and its scope included.
async fn bare(store: &Store, tenant: &str, filter: &str) -> Result<Vec<Duration>> {
    const TIMES: usize = 200;
    let mut took = Vec::with_capacity(TIMES);
    match store {
        Store::Postgres(url) => {
            let select = format!(
                "SELECT * FROM journal WHERE tenant_id = '{tenant}'::uuid AND {filter} ORDER BY id DESC LIMIT 21"
            );
            let scope = format!("SELECT set_config('app.tenant', '{tenant}', true)");
            let mut connection = PgConnection::connect(url).await?;
            for _ in 0..TIMES {
                let began = Instant::now();
                let mut unit = connection.begin().await?;
                unit.execute(sqlx::query(AssertSqlSafe(scope.clone()))).await?;
                let rows = sqlx::query(AssertSqlSafe(select.clone())).fetch_all(&mut *unit).await?;
                let ids: Vec<uuid::Uuid> = rows.iter().map(|row| row.get("id")).collect();
                let parts = sqlx::query("SELECT * FROM journal_parts WHERE event_id = ANY ($1)").bind(ids);
                parts.fetch_all(&mut *unit).await?;
                unit.rollback().await?;
                took.push(began.elapsed());
            }
        }
        Store::Sqlite(file) => {
            let tenant = tenant.replace('-', "");
            let select =
                format!("SELECT * FROM journal WHERE tenant_id = x'{tenant}' AND {filter} ORDER BY id DESC LIMIT 21");
            let parts = format!("SELECT * FROM journal_parts WHERE event_id IN ({})", ["?"; 21].join(", "));
            let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
            for _ in 0..TIMES {
                let began = Instant::now();
                let mut unit = connection.begin().await?;
                let rows = sqlx::query(AssertSqlSafe(select.clone())).fetch_all(&mut *unit).await?;
                let mut query = sqlx::query(AssertSqlSafe(parts.clone()));
                for place in 0..21 {
                    query = query.bind(rows.get(place).map(|row| row.get::<uuid::Uuid, _>("id")));
                }
                query.fetch_all(&mut *unit).await?;
                unit.rollback().await?;
                took.push(began.elapsed());
            }
        }
    }
    took.sort_unstable();
    Ok(took)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
