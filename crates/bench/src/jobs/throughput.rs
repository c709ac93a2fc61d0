//! Measures jobs per second.

use anyhow::{Context, Result, ensure};
use sqlx::{Connection, PgConnection, Row};
use std::time::{Duration, Instant};
use tenantry_jobs::{ClaimJobs, FairnessCursor, JobClaims};
use uuid::Uuid;

use super::place::{CONCURRENCY, JobDatabase, QUEUE, SYSTEM};
use crate::report::{Bar, Figure};

/// Rate of BullMQ 6 on Redis in one Node process on such a machine, without our durability.
const BULLMQ_ENQUEUES: f64 = 16_400.0;
const BULLMQ_DRAINS: f64 = 8_400.0;
const BULLMQ_BOTH: f64 = 5_700.0;
const LEASE: Duration = Duration::from_secs(600);

const RAW_CLAIM: &str = "\
    UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_token = $1, lease_expires_at = now() + interval '1 hour' \
    WHERE id = ANY (ARRAY(SELECT id FROM jobs WHERE state = 'ready' AND queue = $2 \
                          ORDER BY lane, priority DESC, run_at, id LIMIT $3 FOR UPDATE SKIP LOCKED)) \
    RETURNING id, payload";

pub(super) async fn figures(url: &str, jobs: usize, rounds: usize) -> Result<Vec<Figure>> {
    let postgres = |what, bar| Figure::new(what, "PostgreSQL", "/s", bar);
    let mut enqueues = postgres("bulk enqueue, a commit for each 500", Bar::Over(BULLMQ_ENQUEUES));
    let mut drains =
        postgres("drain: claim, do nothing, note", Bar::Over(BULLMQ_DRAINS)).beside("raw SQL claims alone");
    let mut both = postgres("bulk enqueue, then process", Bar::Over(BULLMQ_BOTH));
    let mut claims = postgres("claims alone, 50 a commit", Bar::RatioAtLeast(0.5)).beside("raw SQL claims alone");
    let mut small = Figure::new("bulk enqueue, then process", "SQLite", "/s", Bar::Over(5_000.0));
    for round in 1..=rounds {
        eprintln!("==> throughput, round {round} of {rounds}");
        let place = JobDatabase::postgres(url, "bench_jobs").await?;
        let began = Instant::now();
        place.enqueue(jobs).await?;
        let enqueued = began.elapsed();
        drain(&place, jobs).await?;
        let drained = began.elapsed() - enqueued;
        let a_second = |time: Duration| jobs as f64 / time.as_secs_f64();
        let raw = {
            let place = JobDatabase::postgres(url, "bench_raw").await?;
            place.enqueue(jobs).await?;
            raw_claims(&place, jobs).await?
        };
        let ours = {
            let place = JobDatabase::postgres(url, "bench_claims").await?;
            place.enqueue(jobs).await?;
            our_claims(&place, jobs).await?
        };
        enqueues.add(a_second(enqueued), None);
        drains.add(a_second(drained), Some(a_second(raw)));
        both.add(a_second(enqueued + drained), None);
        claims.add(a_second(ours), Some(a_second(raw)));

        let place = JobDatabase::sqlite().await?;
        let began = Instant::now();
        place.enqueue(jobs).await?;
        drain(&place, jobs).await?;
        small.add(a_second(began.elapsed()), None);
    }
    Ok(vec![enqueues, drains, both, claims, small])
}

async fn drain(place: &JobDatabase, jobs: usize) -> Result<()> {
    place.work().finish(jobs).await
}

async fn our_claims(place: &JobDatabase, jobs: usize) -> Result<Duration> {
    let (began, mut claimed, mut after) = (Instant::now(), 0, FairnessCursor::default());
    while claimed < jobs {
        let now = place.context.now();
        let token = Uuid::from_bytes(place.context.random());
        let (limit, until) = (CONCURRENCY, now.plus(LEASE));
        let mut unit = place.store.begin(SYSTEM).await?;
        let command = ClaimJobs { queue: QUEUE, limit, tenant_limit: None, except: &[], after, token, until };
        let claims = unit.claim_jobs(command, now).await?;
        unit.commit().await?;
        ensure!(!claims.jobs.is_empty(), "the queue was empty too early");
        claimed += claims.jobs.len();
        after = claims.cursor;
    }
    Ok(began.elapsed())
}

/// Measures the minimum of a claim: one statement in the order of the index, one commit.
async fn raw_claims(place: &JobDatabase, jobs: usize) -> Result<Duration> {
    let url = place.url.as_deref().context("raw claims are measured on PostgreSQL")?;
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql("SELECT set_config('app.system', 'on', false)").execute(&mut connection).await?;
    let (began, mut claimed) = (Instant::now(), 0);
    while claimed < jobs {
        let token = Uuid::from_bytes(place.context.random());
        let claim = sqlx::query(RAW_CLAIM).bind(token).bind(QUEUE).bind(i64::from(CONCURRENCY));
        let rows = claim.fetch_all(&mut connection).await?;
        ensure!(!rows.is_empty(), "the queue was empty too early");
        for row in &rows {
            let _payload: String = row.try_get("payload")?;
        }
        claimed += rows.len();
    }
    Ok(began.elapsed())
}
