//! Measures the duration of a single job and the delay until it begins.

use anyhow::{Context, Result};
use secrecy::SecretString;
use sqlx::{Connection, PgConnection};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tenantry_redis::{Redis, RedisTimeouts, RedisWakeUp};
use tokio::time::sleep;

use super::place::{JobDatabase, Working};
use crate::{
    load::quantile,
    report::{Bar, Figure},
};

const SAMPLES: usize = 300;
const BY_POLL: usize = 60;
/// Enqueueing, claiming and recording take one commit each.
const COMMITS: u32 = 3;
/// Time for a worker to become idle.
const PAUSE: Duration = Duration::from_millis(40);

pub(super) async fn figures(url: &str, redis: &str) -> Result<Vec<Figure>> {
    eprintln!("==> latency");
    let here = JobDatabase::postgres(url, "bench_latency").await?;
    let commit = commits(&here).await?;
    let mut times = one_at_a_time(&here).await?;
    times.sort();
    let mut median =
        Figure::new("one job from its enqueuing until it is noted: median", "PostgreSQL", "ms", Bar::RatioAtMost(3.0))
            .beside("the three commits that it needs");
    median.add(millis(quantile(&times, 0.5)), Some(millis(commit * COMMITS)));
    let mut slowest = Figure::new("the same: 99th percentile", "PostgreSQL", "ms", Bar::Under(25.0));
    slowest.add(millis(quantile(&times, 0.99)), None);

    let context = here.context.clone();
    let waking = |name: &str| -> Result<RedisWakeUp> {
        let redis = Redis::open(SecretString::from(redis), RedisTimeouts::default(), context.clone());
        Ok(RedisWakeUp::new(&redis.with_context(|| format!("no Redis for the {name}"))?))
    };
    let there = JobDatabase::postgres(url, "bench_redis").await?;
    let there = JobDatabase { wake_up: Arc::new(waking("worker")?), ..there };
    let caller = JobDatabase { wake_up: Arc::new(waking("caller")?), ..there.clone() };
    // Until both are connected to Redis.
    sleep(Duration::from_secs(2)).await;
    let mut by_redis = Figure::new(
        "from enqueuing to the start elsewhere, with Redis: 99th percentile",
        "PostgreSQL",
        "ms",
        Bar::Under(25.0),
    );
    by_redis.add(millis(until_start(&there, &caller, true, SAMPLES, PAUSE).await?), None);

    let alone = JobDatabase::postgres(url, "bench_poll").await?;
    let mut by_poll = Figure::new("the same by looking at the table alone", "PostgreSQL", "ms", Bar::Under(600.0));
    by_poll.add(millis(until_start(&alone, &alone, false, BY_POLL, Duration::from_millis(700)).await?), None);
    Ok(vec![median, slowest, by_redis, by_poll])
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Returns the median duration of a commit of one row.
async fn commits(place: &JobDatabase) -> Result<Duration> {
    let mut connection = PgConnection::connect(place.url.as_deref().context("it is measured on PostgreSQL")?).await?;
    sqlx::raw_sql("CREATE TABLE one_row (n bigint); INSERT INTO one_row VALUES (0)").execute(&mut connection).await?;
    let mut times = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let began = Instant::now();
        sqlx::query("UPDATE one_row SET n = n + 1").execute(&mut connection).await?;
        times.push(began.elapsed());
        sleep(PAUSE / 8).await;
    }
    times.sort();
    Ok(quantile(&times, 0.5))
}

async fn one_at_a_time(place: &JobDatabase) -> Result<Vec<Duration>> {
    let mut working = place.work();
    let mut commits = place.commits.subscribe();
    let mut times = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let before = *commits.borrow();
        let began = Instant::now();
        start(place, place, &mut working, true).await?;
        // One commit claims the job, the next records its outcome.
        commits.wait_for(|commits| *commits >= before + 2).await?;
        times.push(began.elapsed());
        sleep(PAUSE).await;
    }
    working.finish(SAMPLES).await?;
    Ok(times)
}

async fn until_start(
    place: &JobDatabase,
    caller: &JobDatabase,
    calls: bool,
    samples: usize,
    pause: Duration,
) -> Result<Duration> {
    let mut working = place.work();
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        sleep(pause).await;
        let began = Instant::now();
        times.push(start(place, caller, &mut working, calls).await?.duration_since(began));
    }
    working.finish(samples).await?;
    times.sort();
    Ok(quantile(&times, 0.99))
}

/// Enqueues a job and waits until it begins.
async fn start(place: &JobDatabase, caller: &JobDatabase, working: &mut Working, calls: bool) -> Result<Instant> {
    working.begun.borrow_and_update();
    place.enqueue(1).await?;
    if calls {
        caller.wake_up.call();
    }
    working.begun.changed().await?;
    let begun = *working.begun.borrow();
    Ok(begun)
}
