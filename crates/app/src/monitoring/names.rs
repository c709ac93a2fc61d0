//! The one list of metrics. The descriptions for Prometheus and the table in the documents are generated from it.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use std::fmt::Write as _;

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A value that only grows while the process lives.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Counts of values below each of several bounds, in seconds.
    Histogram,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// The name; its ending is the unit.
    pub name: &'static str,
    /// The kind.
    pub kind: MetricKind,
    /// The labels. No label has a value that a client can choose.
    pub labels: &'static [&'static str],
    /// The meaning, for the documents and for Prometheus.
    pub meaning: &'static str,
    /// The condition for an alarm; empty if there is none.
    pub alarm: &'static str,
}

macro_rules! metrics {
    ($($kind:ident $name:literal [$($label:literal),*]: $meaning:literal, $alarm:literal;)*) => {
        /// Every metric, in the order of the documents.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name, kind: MetricKind::$kind, labels: &[$($label),*], meaning: $meaning, alarm: $alarm,
        },)*];
    };
}

metrics! {
    Counter "http_requests_total" ["method", "route", "status"]: "Requests with a response. `route` is the pattern, not the path.", "5xx above 1 %";
    Histogram "http_request_duration_seconds" ["method", "route"]: "Time from the head of a request to its response.", "the 99th percentile above 1 s";
    Gauge "http_requests_in_flight" []: "Requests in progress.", "";
    Counter "tenantry_http_connections_failed_total" []: "Connections that ended because the peer sent no valid HTTP, was too slow or went away.", "";
    Gauge "tenantry_up" ["component"]: "1 if the database answers, 0 if not.", "0 for a minute";
    Gauge "tenantry_db_pool_connections" ["pool", "state"]: "Connections, `used` or `idle`.", "none idle for minutes";
    Counter "tenantry_db_acquire_failures_total" []: "Units that failed to get a connection.", "any";
    Counter "tenantry_db_deadlines_passed_total" []: "Units that exceeded their deadline.", "any";
    Counter "tenantry_db_statements_total" []: "Round trips to the database: openings, statements and commits.", "";
    Counter "tenantry_authority_lookups_total" ["result"]: "Lookups of a session's authority: in the cache (`hit`), in the database (`miss`), or in the database because the cache was out of date (`bypassed`).", "`bypassed` growing";
    Gauge "tenantry_authority_cache_entries" []: "Approximate number of sessions with cached authority.", "";
    Gauge "tenantry_authority_feed_age_seconds" []: "Time since the last successful read of the feed began. From 0.75 s the cache is bypassed.", "above 5 s";
    Counter "tenantry_token_lookups_total" ["result"]: "Access tokens found in the cache (`hit`), or verified by their signature (`miss`).", "";
    Gauge "tenantry_token_cache_entries" []: "Approximate number of access tokens in the cache.", "";
    Counter "tenantry_tokens_refused_total" ["reason"]: "Refused access tokens, by error code.", "`token_invalid` far above its usual rate";
    Counter "tenantry_guesses_refused_total" []: "Sign-ins, registrations and emails refused by a limit.", "far above its usual rate";
    Counter "tenantry_rate_limited_total" ["policy"]: "Requests refused by the limit of a `caller` or of a `tenant`.", "far above its usual rate";
    Counter "tenantry_rate_limit_decisions_total" ["by"]: "Requests counted in Redis (`shared`), in this process alone (`twin`), or in `both` after Redis has lost its data.", "with `REDIS_URL`, `twin` growing for a minute";
    Gauge "tenantry_serving_processes" []: "Serving processes that this process knows. While each counts alone, limits are divided by this number.", "not the number that you run";
    Gauge "tenantry_password_hashes" ["state"]: "Passwords `waiting` for a thread, and hashes `running`.", "waiting for minutes";
    Counter "tenantry_password_hashes_refused_total" []: "Passwords refused because the queue was full.", "any";
    Histogram "tenantry_password_hash_seconds" []: "Time of one hash, without the wait in the queue.", "";
    Gauge "tenantry_jobs" ["queue", "state"]: "Jobs of the whole installation, by state.", "`dead` growing";
    Gauge "tenantry_job_oldest_ready_seconds" ["queue"]: "Waiting time of the oldest job that is due.", "above 5 min";
    Histogram "tenantry_job_lag_seconds" ["queue"]: "Time from the due time of a job to its start.", "";
    Histogram "tenantry_job_run_seconds" ["kind", "outcome"]: "Time of one attempt of a job.", "";
    Counter "tenantry_job_heartbeats_lost_total" []: "Leases that expired while their job was running.", "any";
    Counter "tenantry_jobs_newer_total" []: "Jobs that a worker left to newer programs, because it does not know their kind or the version of their payload.", "growing without an upgrade in progress";
    Counter "tenantry_blobs_swept_total" []: "Blobs without a file that the daily sweep has deleted.", "";
    Gauge "tenantry_files_lost" []: "Files without bytes, as found by the last sweep.", "any";
    Counter "tenantry_cache_requests_total" ["use", "result"]: "Requests to the shared cache.", "";
    Histogram "tenantry_redis_command_seconds" []: "Time of one command to Redis.", "the 99th percentile above 50 ms";
    Gauge "tenantry_redis_breaker_open" []: "1 while the circuit breaker keeps requests from Redis.", "1 for a minute";
    Counter "process_cpu_seconds_total" []: "Processor time, user and system.", "";
    Gauge "process_resident_memory_bytes" []: "Resident memory.", "near the memory of the machine";
    Gauge "process_open_fds" []: "Open file descriptors.", "above 80 % of `process_max_fds`";
    Gauge "process_max_fds" []: "Maximum number of open file descriptors.", "";
    Gauge "process_start_time_seconds" []: "Start time of the process, in seconds since 1970.", "changing often";
    Gauge "tenantry_build_info" ["version"]: "Always 1.", "";
}

/// Describes each metric to the recorder. Without a recorder this does nothing.
pub(super) fn describe() {
    for metric in METRICS {
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.meaning),
            MetricKind::Gauge => describe_gauge!(metric.name, metric.meaning),
            MetricKind::Histogram => describe_histogram!(metric.name, Unit::Seconds, metric.meaning),
        }
    }
}

/// Sets counters of rare events to zero, so that an alarm on their growth does not miss the first event.
pub(super) fn begin() {
    for name in [
        "tenantry_http_connections_failed_total",
        "tenantry_db_acquire_failures_total",
        "tenantry_db_deadlines_passed_total",
        "tenantry_guesses_refused_total",
        "tenantry_jobs_newer_total",
        "tenantry_blobs_swept_total",
    ] {
        counter!(name).increment(0);
    }
    gauge!("tenantry_files_lost").set(0.0);
}

/// Returns the table of all metrics, for `docs/operations.md`.
pub fn metrics_markdown() -> String {
    let mut table = String::from("| metric | labels | meaning | worth an alarm |\n|---|---|---|---|\n");
    for Metric { name, labels, meaning, alarm, .. } in METRICS {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _infallible = writeln!(table, "| `{name}` | {} | {meaning} | {alarm} |", labels.join(", "));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_end_as_prometheus_has_it() {
        assert_eq!(METRICS.iter().map(|metric| metric.name).collect::<BTreeSet<_>>().len(), METRICS.len());
        for Metric { name, kind, meaning, .. } in METRICS {
            assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
            assert!(*kind != MetricKind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(meaning.ends_with('.'), "{name}");
        }
    }
}
