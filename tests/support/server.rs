//! A server of one test, with its own database, in this process.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};
use tempfile::TempDir;
use tenantry_app::{
    Application, Composition,
    config::{Config, Sources},
};
use tenantry_store::{Database, Store, StoreConfig, Synchronous};
use tenantry_testkit::databases::{self, TestDatabase};
use tokio::sync::oneshot;

use super::{Client, Mailed, http, sql::Sql};

/// The database that a server runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// The settings of a server beside those that every test has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings(Vec<(String, String)>);

impl Settings {
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns these settings, replaced by `others` where both set a value.
    pub(crate) fn and(self, others: &Self) -> Self {
        others.0.iter().fold(self, |settings, (name, value)| settings.set(name, value))
    }
}

/// File name of the SQLite database below `DATA_DIR`.
const SQLITE_FILE: &str = "tenantry.db";

/// Maximum time in which the connections of dropped clients close. A server that is stopped with an open connection
/// checks again only after a second.
const HANGING_UP: Duration = Duration::from_millis(5);

/// A running server. Dropping it stops the server and removes its database.
pub(crate) struct Server {
    pub(crate) app: Composition,
    pub(crate) address: SocketAddr,
    pub(crate) sql: Sql,
    settings: Settings,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) place: Arc<ServerData>,
}

/// The data of a server; several servers may share it.
pub(crate) struct ServerData {
    pub(crate) folder: TempDir,
    /// The emails that a test has opened.
    pub(super) opened: Mutex<HashSet<String>>,
    /// The emails that were parsed, by id.
    pub(super) parsed: Mutex<HashMap<String, Mailed>>,
    database: Option<TestDatabase>,
}

impl ServerData {
    pub(crate) async fn new(kind: Kind) -> Self {
        let folder = TempDir::with_prefix("tenantry-e2e-").unwrap();
        let database = match kind {
            Kind::Sqlite => {
                databases::copy_sqlite_template("e2e", migrate, &folder.path().join(SQLITE_FILE)).await;
                None
            }
            Kind::Postgres => Some(databases::postgres_from_template("e2e", migrate).await),
        };
        Self { folder, opened: Mutex::default(), parsed: Mutex::default(), database }
    }

    /// Creates a place without a SQLite database: the first server creates it.
    pub(crate) fn without_database() -> Self {
        let folder = TempDir::with_prefix("tenantry-e2e-").unwrap();
        Self { folder, opened: Mutex::default(), parsed: Mutex::default(), database: None }
    }

    /// Returns the settings of a server that stores its data here.
    pub(crate) fn settings(&self, own: &Settings) -> Vec<(String, String)> {
        let mut settings = Settings::default()
            .set("TENANTRY_ENV", "development")
            .set("HOST", "127.0.0.1")
            .set("PORT", "0")
            .set("WORKERS", "1")
            .set("DATA_DIR", self.folder.path().to_str().unwrap())
            .set("DATABASE_POOL_SIZE", "4")
            .set("SQLITE_SYNCHRONOUS", "normal")
            .set("RATE_LIMITS", "off")
            // Tests that enable limits for those on password guesses must not reach those on requests.
            .set("RATE_LIMIT_PER_MINUTE", "1000000")
            .set("RATE_LIMIT_PLANS_STARTER", "caller=1000000,tenant=1000000")
            .set("RATE_LIMIT_PLANS_PRO", "caller=1000000,tenant=1000000")
            .set("AUDIT_SEALS", "off")
            .set("ARGON2_MEMORY_KIB", "8")
            .set("ARGON2_ITERATIONS", "1")
            .set("STOP_GRACE", "5s")
            .set("MAIL_URL", &format!("file:{}", self.mail_folder().display()))
            // The free space on this machine's disk must not affect the result.
            .set("HEALTH_DISK_WARN_PERCENT", "0")
            .set("HEALTH_DISK_FAIL_PERCENT", "0")
            .set("LOG_LEVEL", "warn");
        if let Some(database) = &self.database {
            settings = settings.set("DATABASE_URL", database.url());
        }
        settings.and(own).0
    }

    /// Returns the folder of the emails.
    pub(crate) fn mail_folder(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// Returns the URL of the PostgreSQL database.
    pub(crate) fn database_url(&self) -> &str {
        self.database.as_ref().expect("the place has a PostgreSQL database").url()
    }

    pub(crate) async fn sql(&self) -> Sql {
        match &self.database {
            Some(database) => Sql::postgres(database.url()).await,
            None => Sql::sqlite(&self.folder.path().join(SQLITE_FILE)).await,
        }
    }
}

async fn migrate(url: &str) -> Result<(), tenantry_store::ConnectError> {
    let database = match url.strip_prefix("sqlite://") {
        Some(file) => Database::Sqlite(file.split('?').next().unwrap_or_default().into()),
        None => Database::Postgres(url.to_owned().into()),
    };
    let config =
        StoreConfig { database, pool_size: 2, deadline: Duration::from_secs(30), synchronous: Synchronous::Full };
    let store = Store::connect(config, Arc::default()).await?;
    store.migrate().await?;
    store.close().await;
    Ok(())
}

impl Server {
    /// Runs a test with its own server.
    pub(crate) fn run<F: Future<Output = ()>>(kind: Kind, settings: Settings, test: impl FnOnce(Self) -> F) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async { test(Self::start(kind, settings).await).await });
    }

    /// Starts a server with its own database.
    pub(crate) async fn start(kind: Kind, settings: Settings) -> Self {
        Self::start_at(Arc::new(ServerData::new(kind).await), settings).await
    }

    /// Starts another server at the same place, which acts like a second process. SQLite allows only one. Tokens are
    /// valid at both if `PUBLIC_URL` is set.
    pub(crate) async fn peer(&self) -> Self {
        Self::start_at(self.place.clone(), self.settings.clone()).await
    }

    /// Stops the server and starts it again at the same place, with the given settings replaced.
    pub(crate) async fn restart(self, settings: Settings) -> Self {
        let (place, settings) = (self.place.clone(), self.settings.clone().and(&settings));
        drop(self);
        Self::start_at(place, settings).await
    }

    async fn start_at(place: Arc<ServerData>, settings: Settings) -> Self {
        let variables = place.settings(&settings);
        let (ready, started) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let sources = Sources::from_environment(variables.iter().map(|(n, v)| (n.as_str(), v.as_str())));
                let config = Config::load(sources).unwrap();
                let listener = TcpListener::bind(config.http.bind_address()).unwrap();
                let application = Application::build(config, listener).await.unwrap();
                let _ = ready.send((application.app(), application.address()));
                let stop = async {
                    let _ = stopped.await;
                };
                application.run_until_stopped(stop).await.unwrap();
            });
        });
        let (app, address) = started.await.expect("the server starts");
        let sql = place.sql().await;
        let server = Self { app, address, sql, settings, stop: Some(stop), thread: Some(thread), place };
        server.wait_until_ready().await;
        server
    }

    async fn wait_until_ready(&self) {
        let (http, url) = (http(), format!("{}/readyz", self.url()));
        for _ in 0..500 {
            if http.get(&url).send().await.is_ok_and(|reply| reply.status() == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server does not become ready");
    }

    /// Returns the URL of the server, as `http://…`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns a client without a session.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url(), self.sql.clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        std::thread::sleep(HANGING_UP);
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}
