//! `GET /metrics`, and `GET /livez` once more, on an address of their own. It is served by a thread of its own, which answers
//! also when every thread of the API is wedged, and where there is no API at all.

use actix_web::{App as ActixApp, HttpResponse, HttpServer, dev::ServerHandle, rt::task::JoinHandle, web};
use std::{
    net::TcpListener,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

use crate::{App, Failure, StartError, http::say_whether_alive};

use super::{Monitoring, collect::collect};

/// What is served beside the API.
pub(crate) struct MetricsServer {
    server: ServerHandle,
    upkeep: JoinHandle<()>,
}

/// When everything was last read anew. Whoever asks meanwhile waits, and is told the same.
#[derive(Default)]
struct Collected(Mutex<Option<Instant>>);

impl Collected {
    /// However often somebody asks, what is dear is not read more often.
    const AT_MOST_EVERY: Duration = Duration::from_secs(1);

    async fn refresh(&self, app: &App) {
        let mut last = self.0.lock().await;
        if last.is_none_or(|last| last.elapsed() >= Self::AT_MOST_EVERY) {
            collect(app).await;
            *last = Some(Instant::now());
        }
    }
}

/// How often what histograms have gathered is put into their buckets; between it takes memory.
const UPKEEP: Duration = Duration::from_secs(5);
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves metrics, if that is wanted.
pub(crate) fn serve(app: &App) -> Result<Option<MetricsServer>, StartError> {
    let Some(monitoring) = &app.monitoring else { return Ok(None) };
    let wanted = monitoring.wanted;
    let cannot_serve = |error| StartError::Metrics(wanted, error);
    let listener = TcpListener::bind(wanted).map_err(cannot_serve)?;
    let address = listener.local_addr().map_err(cannot_serve)?;
    let (served, collected) = (web::Data::new(app.clone()), web::Data::new(Collected::default()));
    let server = HttpServer::new(move || {
        let app = ActixApp::new().app_data(served.clone()).app_data(collected.clone());
        app.route("/metrics", web::get().to(metrics)).route("/livez", web::get().to(livez))
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
    Ok(Some(MetricsServer { server: handle, upkeep }))
}

impl MetricsServer {
    /// Ends at once: a server that stops is watched until nothing is left to see.
    pub(crate) async fn end(self) {
        self.upkeep.abort();
        self.server.stop(false).await;
    }
}

async fn livez(app: web::Data<App>) -> Result<HttpResponse, Failure> {
    say_whether_alive(&app.watchdog)
}

async fn metrics(app: web::Data<App>, collected: web::Data<Collected>) -> HttpResponse {
    let Some(Monitoring { recorder, .. }) = &app.monitoring else { return HttpResponse::NotFound().finish() };
    collected.refresh(&app).await;
    HttpResponse::Ok().content_type(TEXT).body(recorder.render())
}
