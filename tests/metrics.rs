//! Tests of `GET /metrics`, on its own address.

use reqwest::Method;
use serde_json::Value;
use std::{collections::BTreeSet, fs};
use tenantry_app::{METRICS, MetricKind, metrics_markdown};
use tokio::sync::Mutex;

use crate::support::{
    Kind, Sample, Server, Settings, Sql, eventually, fetch, http,
    snapshot::{assert_page_holds, repository},
};

/// One recorder serves all servers of this process, so only one test at a time counts.
static COUNTING: Mutex<()> = Mutex::const_new(());
const STRANGE: &str = "path-canary-0123456789";
/// Metrics that other parts of the program record, once they run or are configured.
const OF_OTHERS: [&str; 7] = [
    "tenantry_job_lag",
    "tenantry_job_run",
    "tenantry_job_heartbeats",
    "tenantry_cache_",
    "tenantry_redis_",
    "tenantry_rate_limit",
    "tenantry_serving_processes",
];

/// Suffixes of the series of a histogram.
const ENDS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The metrics of a server.
struct Metrics {
    text: String,
    samples: Vec<Sample>,
}

impl Metrics {
    async fn of(server: &Server) -> Self {
        let answer = fetch(format!("{}/metrics", address(server))).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let text = answer.text().await.unwrap();
        Self { samples: Sample::all(&text), text }
    }

    /// Returns the value of the one series with these labels; 0 before it exists.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            let has = |(label, value): &(&str, &str)| sample.labels.get(*label).is_some_and(|found| found == value);
            sample.name == name && labels.iter().all(has)
        };
        let found: Vec<&Sample> = self.samples.iter().filter(fits).collect();
        assert!(found.len() <= 1, "{name} {labels:?}: {found:?}");
        found.first().map_or(0.0, |sample| sample.value)
    }
}

fn address(server: &Server) -> String {
    format!("http://{}", server.app.metrics_address().expect("metrics are served"))
}

on_both_databases! {
    settings (METRICS_ADDR = "127.0.0.1:0");

    async fn requests_and_look_ups_are_counted_and_nothing_of_a_client_is_shown(server: Server) {
        let _alone = COUNTING.lock().await;
        let acme = server.tenant("acme").await;
        acme.owner.get("/auth/me").await.is(200);
        let role = acme.owner.get("/roles").await.is(200)[0]["id"].as_str().unwrap().to_owned();
        let before = Metrics::of(&server).await;
        for _ in 0..3 {
            acme.owner.get("/auth/me").await.is(200);
        }
        acme.owner.get(&format!("/roles/{role}")).await.is(200);
        server.client().get(&format!("/nothing/{STRANGE}")).await.refused(404, "not_found");
        server.client().get(&format!("//{STRANGE}")).await.refused(404, "not_found");
        server.client().with_token(STRANGE).get("/auth/me").await.refused(401, "token_invalid");
        let method = Method::from_bytes(b"CANARY").unwrap();
        http().request(method, format!("{}/livez", server.url())).send().await.unwrap();
        // Values that are read on request are read at most once a second.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let after = Metrics::of(&server).await;

        let grown = |name: &str, labels: &[(&str, &str)]| after.value(name, labels) - before.value(name, labels);
        let requests = |method: &str, route: &str, status: &str| {
            grown("http_requests_total", &[("method", method), ("route", route), ("status", status)])
        };
        assert_eq!(requests("GET", "/api/v1/auth/me", "200"), 3.0);
        assert_eq!(requests("GET", "/api/v1/auth/me", "401"), 1.0);
        assert_eq!(requests("GET", "/api/v1/roles/{id}", "200"), 1.0);
        assert_eq!(requests("GET", "unmatched", "404"), 2.0);
        assert_eq!(requests("other", "/livez", "405"), 1.0);
        let route = [("method", "GET"), ("route", "/api/v1/auth/me")];
        assert_eq!(grown("http_request_duration_seconds_count", &route), 4.0);
        assert_eq!(after.value("http_requests_in_flight", &[]), 0.0);
        let looked_up: f64 = ["hit", "miss", "bypassed"]
            .iter()
            .map(|result| grown("tenantry_authority_lookups_total", &[("result", result)]))
            .sum();
        assert_eq!(looked_up, 4.0);
        assert_eq!(grown("tenantry_token_lookups_total", &[("result", "hit")]), 4.0);
        assert_eq!(grown("tenantry_tokens_refused_total", &[("reason", "token_invalid")]), 1.0);
        assert_eq!(after.value("tenantry_up", &[("component", "database")]), 1.0);
        assert!(after.value("tenantry_password_hash_seconds_count", &[]) >= 1.0);
        assert!(after.value("tenantry_authority_feed_age_seconds", &[]) < 5.0);
        assert!(after.value("process_resident_memory_bytes", &[]) > 1e6);
        assert!(after.value("process_open_fds", &[]) > 3.0);
        assert!(after.value("process_start_time_seconds", &[]) > 1.7e9);
        let pool = if matches!(server.sql, Sql::Sqlite(_)) { "reader" } else { "postgres" };
        let connections = ["used", "idle"].map(|state| {
            after.value("tenantry_db_pool_connections", &[("pool", pool), ("state", state)])
        });
        assert!((1.0..=4.0).contains(&connections.iter().sum()), "{connections:?}");

        for secret in ["canary", "CANARY", "@", acme.id.as_str(), acme.slug.as_str(), acme.owner.id.as_str(), &role] {
            assert!(!after.text.contains(secret), "{secret}: {}", after.text);
        }
    }

    async fn every_metric_is_listed_with_its_labels_and_every_listed_one_is_there(server: Server) {
        let _alone = COUNTING.lock().await;
        server.client().with_token("nonsense").get("/auth/me").await.refused(401, "token_invalid");
        let has_read_changes = async || {
            Metrics::of(&server).await.text.contains("tenantry_authority_feed_age_seconds")
        };
        eventually("changes of authority have been read", has_read_changes).await;
        let metrics = Metrics::of(&server).await;
        let mut seen = BTreeSet::new();
        for sample in &metrics.samples {
            let is_listed = |name: &str| METRICS.iter().find(|metric| metric.name == name);
            let of_histogram = || is_listed(ENDS.iter().find_map(|end| sample.name.strip_suffix(end))?);
            let metric = is_listed(&sample.name).or_else(of_histogram);
            let metric = metric.unwrap_or_else(|| panic!("{} is in no list", sample.name));
            let labels: BTreeSet<&str> = sample.labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
            assert_eq!(labels, metric.labels.iter().copied().collect(), "{}", sample.name);
            seen.insert(metric.name);
        }
        for metric in METRICS {
            let is_of_others = OF_OTHERS.iter().any(|start| metric.name.starts_with(start));
            assert!(is_of_others || seen.contains(metric.name), "{} is not served", metric.name);
            let help = format!("# HELP {} {}", metric.name, metric.meaning);
            assert!(is_of_others || metrics.text.contains(&help), "{help}");
        }
    }

    async fn metrics_are_served_on_their_own_address_alone(server: Server) {
        server.client().get("//metrics").await.refused(404, "not_found");
        let address = address(&server);
        assert_eq!(fetch(format!("{address}/")).await.unwrap().status(), 404);
        assert_eq!(fetch(format!("{address}/api/v1/auth/me")).await.unwrap().status(), 404);
        let other = Server::start(Kind::Sqlite, Settings::default().set("METRICS_ADDR", "127.0.0.1:0")).await;
        assert_ne!(other.app.metrics_address(), server.app.metrics_address());
        assert!(Metrics::of(&other).await.text.contains("http_requests_total"));
        drop(other);
        assert!(Metrics::of(&server).await.text.contains("http_requests_total"));
        let silent = Server::start(Kind::Sqlite, Settings::default()).await;
        assert_eq!(silent.app.metrics_address(), None);
    }
}

#[test]
fn the_table_of_metrics_is_made_from_the_code() {
    assert_page_holds("docs/operations.md", &metrics_markdown());
}

/// Returns the words that start like one of our metrics, without the suffixes of a histogram's series.
fn named_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours =
        words.filter(|word| ["http_request", "process_", "tenantry_"].iter().any(|start| word.starts_with(start)));
    let histograms = METRICS.iter().filter(|metric| metric.kind == MetricKind::Histogram);
    ours.map(|word| {
        let of = histograms.clone().find(|metric| ENDS.iter().any(|end| word.strip_suffix(end) == Some(metric.name)));
        of.map_or(word, |metric| metric.name)
    })
    .collect()
}

#[test]
fn dashboard_and_alerts_name_the_metrics_that_there_are() {
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let dashboard = fs::read_to_string(repository("deploy/grafana/tenantry.json")).unwrap();
    let json: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = json["panels"].as_array().unwrap();
    let expressions: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    let shown: BTreeSet<&str> = expressions.iter().flat_map(|expression| named_in(expression)).collect();
    assert_eq!(shown.difference(&known).collect::<Vec<_>>(), [&""; 0], "shown, but not served");
    // A limit that is shown beside its value, and what a panel shows of another metric already.
    let left_out = BTreeSet::from(["process_max_fds"]);
    assert_eq!(known.difference(&shown).copied().collect::<BTreeSet<_>>(), left_out, "served, but not shown");

    let alerts = fs::read_to_string(repository("deploy/prometheus/alerts.yml")).unwrap();
    let watched: BTreeSet<&str> =
        alerts.lines().filter(|line| line.trim_start().starts_with("expr:")).flat_map(named_in).collect();
    assert_eq!(watched.difference(&known).collect::<Vec<_>>(), [&""; 0], "watched, but not served");
    assert!(watched.len() >= 8, "{watched:?}");
}
