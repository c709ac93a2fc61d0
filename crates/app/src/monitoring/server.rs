//! Serves `GET /metrics` and a second `GET /livez` on an address of their own. A thread of its own serves them, so that
//! they respond even when every thread of the API is stuck, and in processes without an API.

use actix_web::{App as ActixApp, HttpResponse, HttpServer, Responder, dev::ServerHandle, rt::task::JoinHandle, web};
use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};
use tenantry_http::liveness;
use tokio::sync::Mutex;

use crate::{StartError, watchdog::Watchdog};

use super::{MetricSources, Monitoring, collect::collect};

/// The running metrics server.
pub(crate) struct MetricsServer {
    server: ServerHandle,
    upkeep: JoinHandle<()>,
}

/// The time of the last full collection. Concurrent scrapes wait for a running collection and get the same values.
#[derive(Default)]
struct Collected(Mutex<Option<Instant>>);

impl Collected {
    /// Minimum time between two collections, however frequent the scrapes: some values are expensive to read.
    const AT_MOST_EVERY: Duration = Duration::from_secs(1);

    async fn refresh(&self, sources: &MetricSources) {
        let mut last = self.0.lock().await;
        if last.is_none_or(|last| last.elapsed() >= Self::AT_MOST_EVERY) {
            collect(sources).await;
            *last = Some(Instant::now());
        }
    }
}

/// Interval at which collected samples are moved into the buckets of histograms; until then they take memory.
const UPKEEP: Duration = Duration::from_secs(5);
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Starts the metrics server.
pub(crate) fn serve(
    monitoring: &Arc<Monitoring>,
    sources: MetricSources,
    watchdog: Arc<Watchdog>,
) -> Result<MetricsServer, StartError> {
    let wanted = monitoring.wanted;
    let cannot_serve = |error| StartError::Metrics(wanted, error);
    let listener = TcpListener::bind(wanted).map_err(cannot_serve)?;
    let address = listener.local_addr().map_err(cannot_serve)?;
    let (sources, collected) = (web::Data::new(sources), web::Data::new(Collected::default()));
    let (served, watchdog) = (web::Data::from(monitoring.clone()), web::Data::from(watchdog));
    let server = HttpServer::new(move || {
        let app = ActixApp::new().app_data(served.clone()).app_data(watchdog.clone());
        let app = app.app_data(sources.clone()).app_data(collected.clone());
        let app = app.route("/metrics", web::get().to(metrics)).route("/metrics", web::head().to(metrics));
        app.route("/livez", web::get().to(livez)).route("/livez", web::head().to(livez))
    });
    let server = server.workers(1).disable_signals().listen(listener).map_err(cannot_serve)?.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let recorder = monitoring.recorder.clone();
    let upkeep = actix_web::rt::spawn(async move {
        let mut interval = tokio::time::interval(UPKEEP);
        loop {
            interval.tick().await;
            recorder.run_upkeep();
        }
    });
    let address = *monitoring.bound.get_or_init(|| address);
    tracing::info!(%address, "serving metrics");
    Ok(MetricsServer { server: handle, upkeep })
}

impl MetricsServer {
    /// Stops at once. A stopping process ends the metrics server last, so that it stays observable.
    pub(crate) async fn end(self) {
        self.upkeep.abort();
        self.server.stop(false).await;
    }
}

async fn livez(watchdog: web::Data<Watchdog>) -> impl Responder {
    liveness(watchdog.wedged().is_none())
}

async fn metrics(
    monitoring: web::Data<Monitoring>,
    sources: web::Data<MetricSources>,
    collected: web::Data<Collected>,
) -> HttpResponse {
    collected.refresh(&sources).await;
    HttpResponse::Ok().content_type(TEXT).body(monitoring.recorder.render())
}
