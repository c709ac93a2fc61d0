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
    Counter "http_requests_total" ["method", "route", "status"]: "Requests answered. The route is the pattern, not the path.", "5xx above 1 %";
    Histogram "http_request_duration_seconds" ["method", "route"]: "From the head of a request to its answer.", "the 99th percentile above 1 s";
    Gauge "http_requests_in_flight" []: "Requests being handled.", "";
    Gauge "tenantry_up" ["component"]: "1 if the database answers, 0 if not.", "0 for a minute";
    Gauge "tenantry_db_pool_connections" ["pool", "state"]: "Connections that are `used` or `idle`.", "none idle for minutes";
    Counter "tenantry_db_acquire_failures_total" []: "Units that got no connection in time, or none at all.", "any";
    Counter "tenantry_db_deadlines_passed_total" []: "Units given up because the database did not answer in time.", "any";
    Counter "tenantry_db_statements_total" []: "Statements sent.", "";
    Counter "tenantry_authority_lookups_total" ["result"]: "What a session may do: from the cache (`hit`), from the database (`miss`), or from there because the cache could not be trusted (`bypassed`).", "`bypassed` growing";
    Gauge "tenantry_authority_cache_entries" []: "Sessions whose authority is kept, about.", "";
    Gauge "tenantry_authority_feed_age_seconds" []: "Since the start of the last successful reading of changes. The cache is by-passed from 0.75 on.", "above 5 s";
    Counter "tenantry_token_lookups_total" ["result"]: "Access tokens that were known (`hit`), or whose signature had to be checked (`miss`).", "";
    Gauge "tenantry_token_cache_entries" []: "Access tokens that are known, about.", "";
    Counter "tenantry_tokens_refused_total" ["reason"]: "Access tokens refused, by error code.", "`token_invalid` far above its usual";
    Counter "tenantry_guesses_refused_total" []: "Sign-ins, registrations and mails refused because there were too many.", "far above its usual";
    Counter "tenantry_rate_limited_total" ["policy"]: "Requests refused because there were too many: of a `caller` or of a whole `tenant`.", "far above its usual";
    Counter "tenantry_rate_limit_decisions_total" ["by"]: "Requests counted: by all processes together (`shared`), by this one alone (`twin`), or by `both` after Redis has lost its memory.", "with `REDIS_URL`, `twin` growing for a minute";
    Gauge "tenantry_serving_processes" []: "Processes that serve, as this one knows them; limits are divided by it while each counts alone.", "not what you run";
    Gauge "tenantry_password_hashes" ["state"]: "Passwords `waiting` for a thread, and hashes `running`.", "waiting for minutes";
    Counter "tenantry_password_hashes_refused_total" []: "Passwords refused because too many waited.", "any";
    Histogram "tenantry_password_hash_seconds" []: "Making one hash, without the waiting.", "";
    Gauge "tenantry_jobs" ["queue", "state"]: "Jobs by state, of the whole installation.", "`dead` growing";
    Gauge "tenantry_job_oldest_ready_seconds" ["queue"]: "How long the oldest job that is due has waited.", "above 5 min";
    Histogram "tenantry_job_lag_seconds" ["queue"]: "From when a job was due to its start.", "";
    Histogram "tenantry_job_run_seconds" ["kind", "outcome"]: "One try of a job.", "";
    Counter "tenantry_job_heartbeats_lost_total" []: "Leases that ended while their job was being done.", "any";
    Counter "tenantry_blobs_swept_total" []: "Stored bytes that belonged to no file, removed by the daily sweep.", "";
    Gauge "tenantry_files_lost" []: "Files whose bytes the last sweep did not find.", "any";
    Counter "tenantry_cache_requests_total" ["use", "result"]: "Requests to the shared cache.", "";
    Histogram "tenantry_redis_command_seconds" []: "One command to Redis.", "the 99th percentile above 50 ms";
    Gauge "tenantry_redis_breaker_open" []: "1 while Redis is left alone because it failed.", "1 for a minute";
    Counter "process_cpu_seconds_total" []: "Processor time, user and system.", "";
    Gauge "process_resident_memory_bytes" []: "Memory held.", "near what the machine has";
    Gauge "process_open_fds" []: "Open file descriptors.", "above 80 % of `process_max_fds`";
    Gauge "process_max_fds" []: "How many it may open.", "";
    Gauge "process_start_time_seconds" []: "When it started, in seconds since 1970.", "changing often";
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
        "tenantry_db_acquire_failures_total",
        "tenantry_db_deadlines_passed_total",
        "tenantry_guesses_refused_total",
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
