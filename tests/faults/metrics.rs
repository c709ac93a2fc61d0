//! Tests of metrics while the database does not respond.

use std::time::{Duration, Instant};

use super::{
    HEALED, answer_within,
    cluster::Cluster,
    process::{Process, settings},
    run,
};
use crate::support::{Kind, ServerData, fetch};

/// Maximum time of a scrape: the time that the database has to respond, and a margin.
const LIMIT: Duration = Duration::from_millis(1_500);
/// Time in which values that are read on request are not read again.
const KEPT: Duration = Duration::from_millis(1_100);

async fn scrape(address: &str) -> (String, Duration) {
    let began = Instant::now();
    let text = fetch(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap();
    (text, began.elapsed())
}

#[test]
fn fa4_a_frozen_database_hangs_no_scrape() {
    run(async {
        let mut cluster = Cluster::start().await;
        let place = ServerData::new(Kind::Sqlite).await;
        let settings = settings().set("DATABASE_URL", &cluster.url("tenantry")).set("METRICS_ADDR", "127.0.0.1:0");
        let server = Process::start(&place, &settings).await;
        let address = server.entry("serving metrics").unwrap()["address"].as_str().unwrap().to_owned();
        assert!(scrape(&address).await.0.contains("tenantry_up{component=\"database\"} 1\n"));
        cluster.freeze().await;
        for _ in 0..3 {
            tokio::time::sleep(KEPT).await;
            let (text, took) = scrape(&address).await;
            assert!(took < LIMIT, "{took:?}");
            assert!(text.contains("tenantry_up{component=\"database\"} 0\n"), "{text}");
            assert!(text.contains("http_requests_total") && text.contains("process_open_fds"), "{text}");
        }
        cluster.thaw();
        let up = async || scrape(&address).await.0.contains("tenantry_up{component=\"database\"} 1\n").then_some(());
        answer_within(HEALED, "the database is up again", up).await;
    });
}
