//! What every request and command works with.

use std::{
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, atomic::AtomicBool},
};
use tenantry_cache::Invalidation;
use tenantry_crypto::{
    Argon2Parameters, Argon2Pool, JwtTokens, SealSigningKeys, ServerSecrets, SigningKeys, SystemClock, SystemEntropy,
};
use tenantry_files::Blobs;
use tenantry_identity::{GuessPolicy, Quota, SessionPolicy};
use tenantry_jobs::WakeUp;
use tenantry_kernel::{Vocabulary, World};
use tenantry_limits::{Limiter, ProcessId};
use tenantry_local::{LocalCache, LocalHub, LocalLimiter, LocalWakeUp};
use tenantry_objects::Objects;
use tenantry_redis::{Limits, Redis, RedisCache, RedisInvalidation, RedisLimiter, RedisWakeUp};
use tenantry_store::{Database, Store, StoreConfig, Synchronous};
use tokio_util::task::TaskTracker;

use crate::{
    StartError,
    authority::AuthorityCache,
    cached::Caching,
    config::{self, Config, StoragePlace},
    health::Health,
    keys::Keys,
    limits::RequestLimits,
    mail::{LinkPages, Outbox},
    monitoring::{HttpMetrics, Monitoring},
    refusals::Refusals,
    usage::Usage,
    vocabulary,
    watchdog::Watchdog,
};

/// The composed application. Cloning is cheap.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the application is made of.
pub struct Parts {
    /// What was configured.
    pub config: Config,
    /// Where clients reach us, without a trailing slash.
    pub public_url: String,
    /// Time and dice.
    pub world: World,
    /// The names that the crates declare.
    pub vocabulary: Vocabulary,
    /// The database.
    pub store: Store,
    pub(crate) tokens: JwtTokens,
    pub(crate) jwks: String,
    pub(crate) secrets: ServerSecrets,
    pub(crate) seal_keys: SealSigningKeys,
    pub(crate) hasher: Argon2Pool,
    pub(crate) sessions: SessionPolicy,
    pub(crate) guessing: Option<GuessPolicy>,
    /// How many requests may come, where that is limited.
    pub(crate) limits: Option<RequestLimits>,
    /// This run of the process.
    pub(crate) process: ProcessId,
    pub(crate) authority: AuthorityCache,
    pub(crate) refusals: Refusals,
    /// What is counted and measured, where `METRICS_ADDR` is set.
    pub(crate) monitoring: Option<Monitoring>,
    pub(crate) requests: HttpMetrics,
    pub(crate) watchdog: Watchdog,
    pub(crate) health: Health,
    pub(crate) usage: Usage,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) outbox: Outbox,
    pub(crate) link_pages: LinkPages,
    /// The Redis that processes share, if there is one.
    pub(crate) redis: Option<Redis>,
    pub(crate) cached: Caching,
    pub(crate) invalidation: Arc<dyn Invalidation>,
    pub(crate) wake_up: Arc<dyn WakeUp>,
    /// Changes under way, which a stop waits for.
    pub(crate) changes: TaskTracker,
    /// Whether the server is to be sent requests.
    pub(crate) ready: AtomicBool,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// How many passwords may wait for each hashing thread: about two seconds' work.
    const WAITING_HASHES_PER_THREAD: usize = 64;

    /// Puts the adapters together. Nothing is listened to and no schema is changed.
    pub(crate) async fn compose(config: Config, address: SocketAddr) -> Result<Self, StartError> {
        // first of all: whoever keeps a handle of a metric takes it from the recorder that is there then
        let monitoring = config.metrics_address.map(Monitoring::new).transpose()?;
        let keys = Keys::load(&config)?;
        let signing = SigningKeys::parse(&keys.signing).map_err(|e| StartError::keys("SIGNING_KEYS", e))?;
        let secrets = ServerSecrets::parse(&keys.secrets).map_err(|e| StartError::keys("SERVER_SECRETS", e))?;
        let seal_keys = SealSigningKeys::parse(&keys.seals).map_err(|e| StartError::keys("SEAL_KEYS", e))?;
        let public_url = config.http.public_url(address);
        let audience = config.keys.token_audience.clone().unwrap_or_else(|| public_url.clone());
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
        let parameters =
            Argon2Parameters { memory_kib: config.argon2.memory_kib, iterations: config.argon2.iterations };
        let hasher = Argon2Pool::new(parameters, threads, threads * Self::WAITING_HASHES_PER_THREAD)?;
        let world = World::new(SystemClock, SystemEntropy);
        let redis = config.redis.clone().map(|url| Redis::open(url, Limits::default(), world.clone())).transpose()?;
        let Shared { cached, invalidation, wake_up, limiter } = shared(redis.as_ref());
        let limits = config.rate_limits.clone().map(|policies| {
            RequestLimits::new(tenantry_limits::Limits::new(policies, limiter, Arc::new(LocalLimiter::new())))
        });
        let parts = Parts {
            process: ProcessId::new(&world),
            world,
            vocabulary: Vocabulary::compose(vocabulary::CRATES)?,
            store: Store::connect(store_config(&config)).await?,
            jwks: signing.jwks().to_string(),
            tokens: JwtTokens::new(signing, public_url.clone(), audience),
            secrets,
            seal_keys,
            hasher,
            sessions: SessionPolicy {
                access: config.tokens.access_ttl,
                grace: config.tokens.refresh_grace,
                idle: config.tokens.refresh_idle,
                max: config.tokens.refresh_max,
            },
            guessing: config.guessing.as_ref().map(guess_policy),
            limits,
            authority: AuthorityCache::new(),
            refusals: Refusals::default(),
            monitoring,
            requests: HttpMetrics::new(),
            watchdog: Watchdog::start()?,
            health: Health::default(),
            usage: Usage::default(),
            blobs: storage(&config)?,
            outbox: Outbox::new(&config.mail)?,
            link_pages: LinkPages::new(&config, &public_url),
            redis,
            cached,
            invalidation,
            wake_up,
            changes: TaskTracker::new(),
            ready: AtomicBool::new(false),
            public_url,
            config,
        };
        Ok(Self(Arc::new(parts)))
    }
}

/// What processes can share.
struct Shared {
    cached: Caching,
    invalidation: Arc<dyn Invalidation>,
    wake_up: Arc<dyn WakeUp>,
    /// None where each counts for itself.
    limiter: Option<Arc<dyn Limiter>>,
}

/// What processes share where there is a Redis, and its twins in this one where there is none.
fn shared(redis: Option<&Redis>) -> Shared {
    let Some(redis) = redis else {
        return Shared {
            cached: Caching::new(Arc::new(LocalCache::new())),
            invalidation: Arc::new(LocalHub::default().join()),
            wake_up: Arc::new(LocalWakeUp::default()),
            limiter: None,
        };
    };
    Shared {
        cached: Caching::new(Arc::new(RedisCache::new(redis))),
        invalidation: Arc::new(RedisInvalidation::new(redis)),
        wake_up: Arc::new(RedisWakeUp::new(redis)),
        limiter: Some(Arc::new(RedisLimiter::new(redis))),
    }
}

/// Where the bytes of files are.
pub(crate) fn storage(config: &Config) -> Result<Arc<dyn Blobs>, StartError> {
    Ok(Arc::new(match &config.storage.place {
        StoragePlace::Disk(folder) => Objects::on_disk(folder.clone())?,
        StoragePlace::S3(s3) => Objects::in_s3(s3)?,
    }))
}

pub(crate) fn store_config(config: &Config) -> StoreConfig {
    StoreConfig {
        database: match &config.database.url {
            config::Database::Sqlite(file) => Database::Sqlite(file.clone()),
            config::Database::Postgres(url) => Database::Postgres(url.clone()),
        },
        pool_size: config.database.pool_size,
        deadline: config.database.deadline,
        synchronous: match config.database.sqlite_synchronous {
            config::SqliteSynchronous::Full => Synchronous::Full,
            config::SqliteSynchronous::Normal => Synchronous::Normal,
        },
    }
}

/// For how long an address is known from which somebody signed in.
pub(crate) const KNOWN_ADDRESS_FOR: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

fn guess_policy(limits: &config::GuessingLimits) -> GuessPolicy {
    let quota = |limit: config::Limit| Quota { limit: limit.attempts, window: limit.window };
    GuessPolicy {
        per_account_and_address: quota(limits.per_account_and_address),
        per_address: quota(limits.per_address),
        per_account: quota(limits.per_account),
        known_address_for: KNOWN_ADDRESS_FOR,
        registrations_per_address: quota(limits.registrations_per_address),
        mails_per_recipient: quota(limits.mails_per_recipient),
        mail_requests_per_address: quota(limits.mail_requests_per_address),
    }
}
