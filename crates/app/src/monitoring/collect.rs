//! Reads the metrics that are collected at a scrape, rather than counted when an event happens.

use metrics::{counter, gauge};
use std::time::Duration;
use tenantry_jobs::{JobAdmin, QueueFigures};
use tenantry_store::{Scope, SystemReason};
use tokio::time::timeout;

use super::{MetricSources, process};

const SCOPE: Scope = Scope::System(SystemReason::Maintenance);

/// Time limit of all reads together that wait for another service. Values that are late keep their last reading.
const LIMIT: Duration = Duration::from_millis(750);

/// Reads all values.
pub(super) async fn collect(sources: &MetricSources) {
    from_this_process(sources);
    let is_up = timeout(LIMIT, from_the_database(sources)).await.is_ok_and(|answered| answered);
    gauge!("tenantry_up", "component" => "database").set(f64::from(u8::from(is_up)));
}

fn from_this_process(sources: &MetricSources) {
    gauge!("tenantry_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    process::collect();
    counter!("tenantry_db_statements_total").absolute(sources.store.statements());
    for figures in sources.store.pools() {
        for (state, count) in [("used", figures.used), ("idle", figures.idle)] {
            gauge!("tenantry_db_pool_connections", "pool" => figures.pool, "state" => state).set(count as f64);
        }
    }
    let (sessions, tokens) = sources.authority.sizes();
    gauge!("tenantry_authority_cache_entries").set(sessions as f64);
    gauge!("tenantry_token_cache_entries").set(tokens as f64);
    if let Some(age) = sources.authority.feed_age() {
        gauge!("tenantry_authority_feed_age_seconds").set(age.as_secs_f64());
    }
}

/// Reads all values that need a database statement. Returns whether the database responded.
async fn from_the_database(sources: &MetricSources) -> bool {
    let figures = async { sources.store.read(SCOPE).await?.queue_figures().await }.await;
    let Ok(figures) = figures else { return false };
    let now = sources.context.now();
    for queue in sources.queues {
        let of_queue = figures.iter().find(|figures| figures.queue == *queue);
        let count = |of: fn(&QueueFigures) -> u64| of_queue.map_or(0, of) as f64;
        for (state, jobs) in [
            ("ready", count(|queue| queue.ready)),
            ("scheduled", count(|queue| queue.scheduled)),
            ("running", count(|queue| queue.running)),
            ("dead", count(|queue| queue.dead)),
        ] {
            gauge!("tenantry_jobs", "queue" => *queue, "state" => state).set(jobs);
        }
        let oldest = of_queue.and_then(|queue| queue.oldest_ready);
        gauge!("tenantry_job_oldest_ready_seconds", "queue" => *queue)
            .set(oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64()));
    }
    true
}
