//! From a configuration and a listener to a running server, and to its orderly end.

use actix_web::{HttpServer, dev::ServerHandle};
use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::atomic::Ordering,
    time::Duration,
};
use tenantry_crypto::{Argon2Error, KeyListError};
use tenantry_kernel::StoreError;
use tenantry_store::ConnectError;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use crate::{
    App,
    app::store_config,
    authority::AuthorityReader,
    config::{Config, Database},
    http,
};

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A list of keys cannot be used.
    #[error("{variable} cannot be used: {error}")]
    Keys {
        /// The variable that holds it.
        variable: &'static str,
        /// What is wrong with it.
        error: KeyListError,
    },
    /// The file of keys made in development is not one.
    #[error("{} holds no keys: remove it to have new ones made, or set SIGNING_KEYS and SERVER_SECRETS", .0.display())]
    KeyFile(PathBuf),
    /// A file or folder of ours cannot be used.
    #[error("{}: {}; set DATA_DIR to a folder that can be written", .0.display(), .1)]
    Files(PathBuf, #[source] std::io::Error),
    /// Another process serves from this SQLite file.
    #[error("another process serves from {}: SQLite is for one; use PostgreSQL for more", .0.display())]
    Locked(PathBuf),
    /// The hashing threads could not be started.
    #[error(transparent)]
    Hasher(#[from] Argon2Error),
    /// The database cannot be used.
    #[error("{0}; check DATABASE_URL, or ask `tenantry doctor`")]
    Database(#[from] ConnectError),
    /// A look-up at start-up failed.
    #[error("{0}; check DATABASE_URL, or ask `tenantry doctor`")]
    Store(#[from] StoreError),
    /// Row-level security would not hold.
    #[error(
        "the PostgreSQL role could by-pass row-level security: use a role that is neither superuser nor BYPASSRLS, or set ALLOW_RLS_BYPASS=on"
    )]
    RowLevelSecurity,
    /// The server could not be set up or failed.
    #[error("the server failed: {0}")]
    Server(#[from] std::io::Error),
}

impl StartError {
    pub(crate) fn keys(variable: &'static str, error: KeyListError) -> Self {
        Self::Keys { variable, error }
    }
}

/// A server that listens, and serves once it is run.
pub struct Application {
    app: App,
    address: SocketAddr,
    listener: TcpListener,
    _serving: Option<std::fs::File>,
}

impl Application {
    /// How often gathered uses of sessions are written.
    const SETTLE_USAGE: Duration = Duration::from_secs(30);
    /// How often minutes of refusals are looked at.
    const SETTLE_REFUSALS: Duration = Duration::from_secs(5);

    /// Opens the database, brings it up to date and takes over the listener.
    pub async fn build(config: Config, listener: TcpListener) -> Result<Self, StartError> {
        let address = listener.local_addr()?;
        let serving = claim_sqlite(&config)?;
        let app = App::compose(config, address).await?;
        // Before anything is made, since what this role makes is its own, and of no use to the right one.
        if app.config.environment.is_production()
            && !app.config.database.allow_rls_bypass
            && app.store.bypasses_row_level_security().await?
        {
            return Err(StartError::RowLevelSecurity);
        }
        app.store.migrate().await?;
        Ok(Self { app, address, listener, _serving: serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The composed application, for tests that look behind HTTP.
    pub fn app(&self) -> App {
        self.app.clone()
    }

    /// Serves until SIGTERM or SIGINT, or until `stop` is done, then ends in order: not ready, the delay, no new
    /// connections, requests and changes under way, and at last what was gathered. A second signal ends at once.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let Self { app, address, listener, _serving } = self;
        let reader = AuthorityReader::start(app.clone(), store_config(&app.config))?;
        let grace = app.config.stop.grace;
        let server = HttpServer::new({
            let app = app.clone();
            move || http::service(app.clone())
        })
        .workers(app.config.http.workers)
        .shutdown_timeout(grace.as_secs())
        .on_connect(http::keep_connection)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        let mut running = actix_web::rt::spawn(server);
        let housekeeping = actix_web::rt::spawn(keep_house(app.clone()));
        app.ready.store(true, Ordering::Release);
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
            stopped = timeout(grace, stop_in_order(&app, &handle)) => {
                if stopped.is_err() {
                    tracing::warn!("not everything ended within the grace");
                }
            }
            _ = terminate.recv() => tracing::warn!("a second signal: stopping at once"),
            _ = interrupt.recv() => tracing::warn!("a second signal: stopping at once"),
        }
        housekeeping.abort();
        drop(reader);
        tracing::info!("stopped");
        Ok(())
    }
}

async fn stop_in_order(app: &App, server: &ServerHandle) {
    app.ready.store(false, Ordering::Release);
    tokio::time::sleep(app.config.stop.delay).await;
    server.stop(true).await;
    app.changes.close();
    app.changes.wait().await;
    app.refusals.settle(app, true).await;
    app.usage.settle(app).await;
    app.store.close().await;
}

async fn keep_house(app: App) {
    let mut usage = tokio::time::interval(Application::SETTLE_USAGE);
    let mut refusals = tokio::time::interval(Application::SETTLE_REFUSALS);
    loop {
        tokio::select! {
            _ = usage.tick() => app.usage.settle(&app).await,
            _ = refusals.tick() => app.refusals.settle(&app, false).await,
        }
    }
}

/// One process serves from a SQLite file; the lock ends with the process, however it ends.
fn claim_sqlite(config: &Config) -> Result<Option<std::fs::File>, StartError> {
    let Database::Sqlite(file) = &config.database.url else { return Ok(None) };
    let lock_file = PathBuf::from(format!("{}.serve.lock", file.display()));
    let failed = |error| StartError::Files(lock_file.clone(), error);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let lock = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&lock_file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::Locked(file.clone())),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}
