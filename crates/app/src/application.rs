//! Builds a running server from a configuration and a listener, and stops it in order.

use actix_web::{HttpServer, dev::ServerHandle};
use std::{
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};
use tenantry_jobs::JobClaims;
use tenantry_kernel::StoreError;
use tenantry_service::{AuthorityReader, SystemReason, Unit, listen_invalidations};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use crate::{
    Composition, StartError,
    composition::store_config,
    config::Config,
    monitoring::{self, MetricSources, MetricsServer},
    schema,
    worker::RunningWorker,
};

/// Time at the end of the grace in which a worker releases its unfinished jobs.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A server that listens, and serves once it runs.
pub struct Application {
    app: Composition,
    address: SocketAddr,
    listener: TcpListener,
    works: bool,
    _serving: Option<std::fs::File>,
}

impl Application {
    /// Interval at which collected uses of sessions are written.
    const SETTLE_USAGE: Duration = Duration::from_secs(30);
    /// Interval at which the counts of refusals are written for minutes that have ended.
    const SETTLE_REFUSALS: Duration = Duration::from_secs(5);
    /// Interval at which the counters of clients with a full quota are deleted.
    const FORGET_COUNTERS: Duration = Duration::from_secs(10);
    /// Interval at which expired secrets are blanked.
    const BLANK_SECRETS: Duration = Duration::from_secs(60);

    /// Opens the database, migrates it and takes over the listener.
    pub async fn build(config: Config, listener: TcpListener) -> Result<Self, StartError> {
        let address = listener.local_addr()?;
        let serving = schema::claim_sqlite(&config)?;
        let app = Composition::compose(config, address).await?;
        schema::bring_up_to_date(&app.store, &app.config).await?;
        Ok(Self { app, address, listener, works: true, _serving: serving })
    }

    /// Removes the worker from the application: jobs wait for another process.
    #[must_use]
    pub fn without_worker(self) -> Self {
        Self { works: false, ..self }
    }

    /// Returns the address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the composed application, for tests that look behind HTTP.
    pub fn app(&self) -> Composition {
        self.app.clone()
    }

    /// Serves until SIGTERM or SIGINT, or until `stop` completes, then stops in order:
    ///
    /// 1. The server reports that it is not ready, and waits for the configured delay.
    /// 2. It accepts no new connections and ends the running requests and changes.
    /// 3. It ends the jobs and writes the collected counts.
    ///
    /// A second signal ends the process at once.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let Self { app, address, listener, works, _serving } = self;
        let reader = AuthorityReader::start(app.authority.clone(), store_config(&app.config))?;
        let grace = app.config.stop.grace;
        let metrics = serve_metrics(&app)?;
        let server = HttpServer::new({
            let app = app.clone();
            move || {
                actix_web::rt::spawn(app.watchdog.watch_runtime("a thread that serves HTTP"));
                tenantry_http::service(app.http.clone())
            }
        })
        .workers(app.config.http.workers)
        .keep_alive(app.config.http.keep_alive)
        .shutdown_timeout(grace.as_secs())
        .on_connect(tenantry_http::keep_connection)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        let mut running = actix_web::rt::spawn(server);
        let watching = actix_web::rt::spawn(app.watchdog.watch_runtime("the main thread"));
        let housekeeping = actix_web::rt::spawn(housekeeping_loop(app.clone()));
        let listening = actix_web::rt::spawn(listen_invalidations(app.invalidation.clone(), app.authority.clone()));
        let counting = app.serving.clone().map(|serving| actix_web::rt::spawn(serving.count()));
        let worker = works.then(|| RunningWorker::start(&app)).transpose()?;
        app.health.set_serving(true);
        tracing::info!(%address, url = %app.public_url, "listening");

        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            ended = &mut running => return ended.map_err(std::io::Error::other)?.map_err(StartError::from),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = stop => {}
        }
        tracing::info!(delay_ms = app.config.stop.delay.as_millis(), grace_ms = grace.as_millis(), "stopping");
        tokio::select! {
            stopped = timeout(grace, stop_in_order(&app, &handle, worker, counting.as_ref())) => {
                if stopped.is_err() {
                    tracing::warn!("some tasks did not end within STOP_GRACE");
                }
            }
            _ = terminate.recv() => tracing::warn!("received a second signal: stopping immediately"),
            _ = interrupt.recv() => tracing::warn!("received a second signal: stopping immediately"),
        }
        watching.abort();
        housekeeping.abort();
        listening.abort();
        if let Some(counting) = counting {
            counting.abort();
        }
        drop(reader);
        if let Some(metrics) = metrics {
            metrics.end().await;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Runs jobs without serving the API, until SIGTERM or SIGINT. Running jobs are ended within the grace.
pub async fn run_worker(config: Config) -> Result<(), StartError> {
    let _serving = schema::claim_sqlite(&config)?;
    let address = config.http.bind_address();
    let app = Composition::compose(config, address).await?;
    schema::bring_up_to_date(&app.store, &app.config).await?;
    let watching = actix_web::rt::spawn(app.watchdog.watch_runtime("the main thread"));
    let housekeeping = actix_web::rt::spawn(housekeeping_loop(app.clone()));
    let metrics = serve_metrics(&app)?;
    let worker = RunningWorker::start(&app)?;
    tracing::info!("working");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!(grace_ms = app.config.stop.grace.as_millis(), "stopping");
    tokio::select! {
        stopped = timeout(app.config.stop.grace, worker.end(app.config.stop.grace.saturating_sub(LAST_WORDS))) => {
            if stopped.is_err() {
                tracing::warn!("some tasks did not end within STOP_GRACE");
            }
        }
        _ = terminate.recv() => tracing::warn!("received a second signal: stopping immediately"),
        _ = interrupt.recv() => tracing::warn!("received a second signal: stopping immediately"),
    }
    watching.abort();
    housekeeping.abort();
    app.store.close().await;
    if let Some(metrics) = metrics {
        metrics.end().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Serves metrics, if `METRICS_ADDR` is set.
fn serve_metrics(app: &Composition) -> Result<Option<MetricsServer>, StartError> {
    let sources = MetricSources {
        store: app.store.clone(),
        context: app.context.clone(),
        authority: app.authority.clone(),
        queues: tenantry_service::QUEUES,
    };
    let serve = |monitoring| monitoring::serve(monitoring, sources, app.watchdog.clone());
    app.monitoring.as_ref().map(serve).transpose()
}

async fn stop_in_order(
    app: &Composition,
    server: &ServerHandle,
    worker: Option<RunningWorker>,
    counting: Option<&actix_web::rt::task::JoinHandle<()>>,
) {
    let began = Instant::now();
    app.health.set_serving(false);
    tokio::time::sleep(app.config.stop.delay).await;
    if let Some(worker) = &worker {
        worker.stop();
    }
    server.stop(true).await;
    app.tasks.close();
    app.tasks.wait().await;
    if let Some(worker) = worker {
        worker.end(app.config.stop.grace.saturating_sub(began.elapsed() + LAST_WORDS)).await;
    }
    app.refusals.settle(true).await;
    app.usage.settle().await;
    if let (Some(counting), Some(serving)) = (counting, &app.serving) {
        counting.abort();
        serving.leave().await;
    }
    app.store.close().await;
}

async fn housekeeping_loop(app: Composition) {
    let mut usage = tokio::time::interval(Application::SETTLE_USAGE);
    let mut refusals = tokio::time::interval(Application::SETTLE_REFUSALS);
    let mut secrets = tokio::time::interval(Application::BLANK_SECRETS);
    let mut counters = tokio::time::interval(Application::FORGET_COUNTERS);
    loop {
        tokio::select! {
            _ = usage.tick() => app.usage.settle().await,
            _ = refusals.tick() => app.refusals.settle(false).await,
            _ = secrets.tick() => blank_secrets(&app).await,
            _ = counters.tick() => app.limits.iter().for_each(|limits| limits.forget_idle()),
        }
    }
}

/// Blanks the secrets of waiting and dead jobs whose links have expired.
async fn blank_secrets(app: &Composition) {
    let blank = async |unit: &mut Unit| unit.blank_expired_secrets(app.context.now()).await;
    let blanked: Result<_, StoreError> = app.transactions.housekeeping(SystemReason::Worker, blank).await;
    if let Err(error) = blanked {
        tracing::warn!(%error, "expired secrets could not be erased");
    }
}
