//! Sends commands to Redis on a dedicated thread, within a time limit, behind a circuit breaker.

use deadpool_redis::{Connection, Manager, Pool, Runtime};
use metrics::{gauge, histogram};
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisError, aio::MultiplexedConnection};
use secrecy::{ExposeSecret, SecretString};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tenantry_cache::CacheError;
use tenantry_kernel::Context;
use tokio::{
    runtime::Handle,
    sync::{Mutex, oneshot},
    time::timeout,
};

use crate::breaker::Breaker;

/// The URL does not name a Redis server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER]")]
pub struct RedisUrlError;

/// Time limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisTimeouts {
    /// Limit for one command, including its connection.
    pub command: Duration,
    /// Interval between health probes.
    pub heartbeat: Duration,
}

impl Default for RedisTimeouts {
    fn default() -> Self {
        Self { command: Duration::from_millis(100), heartbeat: Duration::from_millis(250) }
    }
}

/// A Redis server, which may be down. Cloning is cheap; the thread ends with the last clone.
#[derive(Clone)]
pub struct Redis(Arc<Parts>);

struct Parts {
    shared: Arc<Shared>,
    runtime: Handle,
    /// Ends the thread on drop.
    _life: oneshot::Sender<()>,
}

/// State that commands need. Tasks on the thread hold it too, without keeping the thread alive.
pub(crate) struct Shared {
    pool: Pool,
    /// The connection shared by pipelined commands, while it is healthy.
    line: Mutex<Option<MultiplexedConnection>>,
    pub(crate) breaker: Breaker,
    pub(crate) timeouts: RedisTimeouts,
    pub(crate) context: Context,
    pub(crate) url: SecretString,
}

impl Redis {
    /// Key of the epoch of the whole cache.
    pub(crate) const EPOCH: &'static str = "tenantry:epoch";
    const CONNECTIONS: usize = 8;

    /// Checks that the URL can name a Redis server.
    pub fn check_url(url: &SecretString) -> Result<(), RedisUrlError> {
        client(url).map(drop)
    }

    /// Starts the thread. Neither this call nor a later one waits for Redis to be up.
    pub fn open(url: SecretString, timeouts: RedisTimeouts, context: Context) -> io::Result<Self> {
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeouts.command))
            .set_response_timeout(Some(timeouts.command));
        let client = client(&url).map_err(invalid)?;
        let manager = Manager::new_with_config(client.get_connection_info().clone(), config)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let pool = Pool::builder(manager)
            .max_size(Self::CONNECTIONS)
            .wait_timeout(Some(timeouts.command))
            .create_timeout(Some(timeouts.command))
            .recycle_timeout(Some(timeouts.command))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(io::Error::other)?;
        let shared =
            Arc::new(Shared { pool, line: Mutex::default(), breaker: Breaker::default(), timeouts, context, url });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (life, ended) = oneshot::channel();
        handle.spawn(watch(shared.clone()));
        std::thread::Builder::new().name("redis".to_owned()).spawn(move || {
            runtime.block_on(async {
                // Completes when the sender is dropped.
                let _ = ended.await;
            });
        })?;
        gauge!("tenantry_redis_breaker_open").set(0.0);
        Ok(Self(Arc::new(Parts { shared, runtime: handle, _life: life })))
    }

    /// Returns whether the breaker is open, so that no command is sent.
    pub fn is_bypassed(&self) -> bool {
        self.0.shared.breaker.is_open()
    }

    /// Sends one command regardless of the breaker and returns the server's version.
    pub async fn ask_version(&self) -> Result<String, CacheError> {
        let shared = self.0.shared.clone();
        let info = self.on_thread(async move {
            shared
                .ask(async |connection| redis::cmd("INFO").arg("server").query_async::<String>(connection).await)
                .await
        });
        let info = info.await?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        version.map(str::to_owned).ok_or_else(|| CacheError::Failed("it does not report its version".to_owned()))
    }

    /// Sends `PING` as any command: fails without sending it while the breaker is open.
    pub async fn ping(&self) -> Result<(), CacheError> {
        let shared = self.0.shared.clone();
        self.on_thread(async move {
            shared.command(async |connection| redis::cmd("PING").query_async::<()>(connection).await).await
        })
        .await
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.0.shared.clone()
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.runtime.spawn(task);
    }

    /// Returns how long a caller waits for the Redis thread: little longer than the limit of a command.
    pub(crate) fn patience(&self) -> Duration {
        self.0.shared.timeouts.command + self.0.shared.timeouts.command / 5
    }

    /// Runs on the Redis thread. The caller waits little longer than the limit of a command.
    pub(crate) async fn on_thread<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, CacheError>> + Send + 'static,
    ) -> Result<T, CacheError> {
        match timeout(self.patience(), self.0.runtime.spawn(work)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(CacheError::Failed("its thread has ended".to_owned())),
            Err(_) => Err(CacheError::Failed("no answer in time".to_owned())),
        }
    }
}

impl Shared {
    /// Sends a command unless the breaker is open, and reports the result to the breaker.
    pub(crate) async fn command<T>(
        &self,
        send: impl AsyncFnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, CacheError> {
        if self.breaker.is_open() {
            return Err(CacheError::Bypassed);
        }
        let outcome = self.ask(send).await;
        match &outcome {
            Ok(_) => self.breaker.succeeded(),
            Err(error) => {
                let opened = self.breaker.failed();
                self.note_opening(opened, error);
            }
        }
        outcome
    }

    /// Sends a command over the shared connection: the connection is not tested before each command, and no command
    /// waits for the answer to another. The caller may need several commands and has waited long enough when one fails,
    /// so a failure opens the breaker at once.
    pub(crate) async fn command_in_line<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, CacheError> {
        if self.breaker.is_open() {
            return Err(CacheError::Bypassed);
        }
        let asked = self.within_limit(async {
            let mut connection = self.line().await?;
            command.query_async(&mut connection).await.map_err(|error| CacheError::Failed(error.to_string()))
        });
        let outcome = asked.await;
        match &outcome {
            Ok(_) => self.breaker.succeeded(),
            Err(error) => {
                *self.line.lock().await = None;
                let opened = self.breaker.give_up();
                self.note_opening(opened, error);
            }
        }
        outcome
    }

    async fn line(&self) -> Result<MultiplexedConnection, CacheError> {
        let mut line = self.line.lock().await;
        if let Some(connection) = &*line {
            return Ok(connection.clone());
        }
        let pooled = self.pool.get().await.map_err(|error| CacheError::Failed(error.to_string()))?;
        Ok(line.insert(Connection::take(pooled)).clone())
    }

    /// Sends a deletion. If it fails, this process does not use the cache until the epoch has changed.
    pub(crate) async fn deletion(
        &self,
        send: impl AsyncFnOnce(&mut Connection) -> Result<(), RedisError>,
    ) -> Result<(), CacheError> {
        let outcome = self.command(send).await;
        if let Err(error) = &outcome {
            let opened = self.breaker.could_not_tell();
            self.note_opening(opened, error);
        }
        outcome
    }

    fn note_opening(&self, opened: bool, error: &CacheError) {
        if opened {
            gauge!("tenantry_redis_breaker_open").set(1.0);
            tracing::warn!(%error, "Redis does not answer; the circuit breaker is open");
        }
    }

    /// Sends one command on a pooled connection, within the limit.
    async fn ask<T>(&self, send: impl AsyncFnOnce(&mut Connection) -> Result<T, RedisError>) -> Result<T, CacheError> {
        self.within_limit(async {
            let mut connection = self.pool.get().await.map_err(|error| CacheError::Failed(error.to_string()))?;
            let outcome = send(&mut connection).await;
            if outcome
                .as_ref()
                .is_err_and(|error| error.kind() != ErrorKind::Server(redis::ServerErrorKind::ResponseError))
            {
                // A late answer on this connection would be taken for the answer to the next command.
                drop(Connection::take(connection));
            }
            outcome.map_err(|error| CacheError::Failed(error.to_string()))
        })
        .await
    }

    /// Measures a command and cancels it at the limit.
    async fn within_limit<T>(&self, asking: impl Future<Output = Result<T, CacheError>>) -> Result<T, CacheError> {
        let began = Instant::now();
        let asked = timeout(self.timeouts.command, asking).await;
        histogram!("tenantry_redis_command_seconds").record(began.elapsed());
        asked.unwrap_or_else(|_| Err(CacheError::Failed("no answer in time".to_owned())))
    }

    /// Returns a random value that was never used before.
    pub(crate) fn token(&self) -> String {
        self.context.random::<12>().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Probes Redis, so that an outage or a recovery is noticed before a request meets it.
async fn watch(shared: Arc<Shared>) {
    let mut heartbeat = tokio::time::interval(shared.timeouts.heartbeat);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        heartbeat.tick().await;
        if !shared.breaker.is_open() {
            // The breaker records a failure; nothing else needs the result.
            let _ = shared.command(async |connection| redis::cmd("PING").query_async::<()>(connection).await).await;
            continue;
        }
        let (probe, epoch) = (shared.breaker.begin_probe(), shared.token());
        let moved = shared
            .ask(async |connection| redis::cmd("SET").arg(Redis::EPOCH).arg(epoch).query_async::<()>(connection).await)
            .await;
        if moved.is_ok() && shared.breaker.close_after(probe) {
            gauge!("tenantry_redis_breaker_open").set(0.0);
            tracing::info!("Redis answers again");
        }
    }
}

fn client(url: &SecretString) -> Result<redis::Client, RedisUrlError> {
    let url = url.expose_secret();
    if !url.starts_with("redis://") {
        return Err(RedisUrlError);
    }
    redis::Client::open(url).map_err(|_| RedisUrlError)
}
