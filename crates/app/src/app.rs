//! The composed application, with which every request and command works.

use futures::FutureExt;
use std::{
    net::SocketAddr,
    ops::Deref,
    rc::Rc,
    sync::{Arc, atomic::AtomicBool},
};
use tenantry_cache::{Cache, Invalidation};
use tenantry_crypto::{
    Argon2Parameters, Argon2Pool, JwtTokens, SealSigningKeys, ServerSecrets, SigningKeys, SystemClock, SystemEntropy,
};
use tenantry_files::Blobs;
use tenantry_identity::{GuessPolicy, KNOWN_ADDRESS_FOR, Quota, SessionPolicy};
use tenantry_jobs::WakeUp;
use tenantry_kernel::{Actor, StoreError, Vocabulary, World};
use tenantry_limits::{Limiter, ProcessId};
use tenantry_local::{LocalCache, LocalHub, LocalLimiter, LocalWakeUp};
use tenantry_objects::Objects;
use tenantry_redis::{Limits, Redis, RedisCache, RedisInvalidation, RedisLimiter, RedisWakeUp};
use tenantry_service::{
    AssignmentCounts, Authenticator, AuthorityCache, ChangeRequest, Changes, Cleaner, CommitMode, JournalRetention,
    JournalSealer, LinkPages, Proofs, Publisher, Reader, Refusals, RequestLimits, Scope, ServingProcesses, TokenIssuer,
    Transactions, Unit, Usage, Work,
};
use tenantry_store::{Store, StoreConfig};
use tokio_util::task::TaskTracker;

use crate::{
    Answer, Failure, StartError,
    config::{self, Config, StoragePlace},
    health::{Health, HealthSources, folders},
    keys::Keys,
    mail::{Outbox, link_pages},
    monitoring::{HttpMetrics, Monitoring},
    vocabulary,
    watchdog::Watchdog,
};

/// The composed application. Cloning is cheap.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of the application.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The URL at which clients reach the API, without a trailing slash.
    pub public_url: String,
    /// Clock and random source.
    pub world: World,
    /// The names that the crates declare.
    pub vocabulary: Arc<Vocabulary>,
    /// The database.
    pub store: Store,
    /// Opens units for reading.
    pub(crate) reader: Reader,
    /// Opens units for writing. HTTP handlers must not use it.
    pub(crate) transactions: Transactions,
    /// Runs the changes that clients request.
    pub(crate) changes: Changes,
    pub(crate) issuer: TokenIssuer,
    pub(crate) jwks: String,
    pub(crate) secrets: Arc<ServerSecrets>,
    pub(crate) hasher: Arc<Argon2Pool>,
    /// Creates proofs of identity and limits guesses.
    pub(crate) proofs: Proofs,
    /// Limits requests; `None` where requests are not limited.
    pub(crate) limits: Option<Arc<RequestLimits>>,
    /// The list of processes that divide the limits; `None` where there is only one process.
    pub(crate) serving: Option<ServingProcesses>,
    /// Deletes expired rows.
    pub(crate) cleaner: Cleaner,
    /// Seals the journal.
    pub sealer: JournalSealer,
    pub(crate) authority: Arc<AuthorityCache>,
    pub(crate) authenticator: Authenticator,
    pub(crate) refusals: Arc<Refusals>,
    /// The metrics; `None` where `METRICS_ADDR` is not set.
    pub(crate) monitoring: Option<Arc<Monitoring>>,
    pub(crate) requests: HttpMetrics,
    pub(crate) watchdog: Arc<Watchdog>,
    pub(crate) health: Health,
    pub(crate) usage: Arc<Usage>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) outbox: Outbox,
    pub(crate) link_pages: LinkPages,
    pub(crate) assignment_counts: AssignmentCounts,
    pub(crate) invalidation: Arc<dyn Invalidation>,
    pub(crate) wake_up: Arc<dyn WakeUp>,
    /// Running changes and other tasks, which a stop waits for.
    pub(crate) tasks: TaskTracker,
    /// Whether the server is ready for requests.
    pub(crate) ready: AtomicBool,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Returns the address of the metrics server, once it listens.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.monitoring.as_ref()?.address()
    }

    /// Opens a unit for reading that sees the rows of `scope`.
    pub(crate) async fn read(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.reader.open(scope).await
    }

    /// Runs a change in a task of its own and commits it; see [`Changes::run`].
    pub(crate) fn change<W, D>(
        &self,
        request: ChangeRequest,
        scope: Scope,
        work: W,
    ) -> impl Future<Output = Result<Answer, Failure>> + use<W, D>
    where
        W: AsyncFn(&mut Unit, &Actor, &World) -> Result<D, Failure> + 'static,
        D: Into<CommitMode> + 'static,
    {
        let work = Rc::new(work);
        let work: Box<Work> = Box::new(move |unit, actor, world| {
            let work = work.clone();
            async move { work(unit, actor, world).await.map(Into::into).map_err(Failure::into_inner) }.boxed_local()
        });
        self.changes.clone().run_erased(request, scope, work).map(|done| Ok(done?.into()))
    }

    /// Returns the stored response to a request with an `Idempotency-Key`; see [`Changes::answered_before`].
    pub(crate) async fn answered_before(
        &self,
        request: &ChangeRequest,
        scope: Scope,
    ) -> Result<Option<Answer>, Failure> {
        Ok(self.changes.answered_before(request, scope).await?.map(Into::into))
    }

    /// Maximum number of passwords that may wait per hashing thread: about two seconds of work.
    const WAITING_HASHES_PER_THREAD: usize = 64;

    /// Composes the adapters. Opens no listener and changes no schema.
    pub(crate) async fn compose(config: Config, address: SocketAddr) -> Result<Self, StartError> {
        // The recorder must exist first: a metric handle binds to the recorder that is installed when the handle is
        // created.
        let monitoring = config.general.metrics_address.map(Monitoring::new).transpose()?.map(Arc::new);
        let keys = Keys::load(&config)?;
        let signing = SigningKeys::parse(&keys.signing).map_err(|e| StartError::keys("SIGNING_KEYS", e))?;
        let secrets = ServerSecrets::parse(&keys.secrets).map_err(|e| StartError::keys("SERVER_SECRETS", e))?;
        let seal_keys = SealSigningKeys::parse(&keys.seals).map_err(|e| StartError::keys("SEAL_KEYS", e))?;
        let public_url = config.http.public_url(address);
        let audience = config.keys.token_audience.clone().unwrap_or_else(|| public_url.clone());
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
        let parameters =
            Argon2Parameters { memory_kib: config.argon2.memory_kib, iterations: config.argon2.iterations };
        let hasher = Arc::new(Argon2Pool::new(parameters, threads, threads * Self::WAITING_HASHES_PER_THREAD)?);
        let world = World::new(SystemClock, SystemEntropy);
        let redis =
            config.general.redis.clone().map(|url| Redis::open(url, Limits::default(), world.clone())).transpose()?;
        let Shared { cache, invalidation, wake_up, limiter } = shared(redis.as_ref());
        let limits = config.rate_limits.policies().map(|policies| {
            let limits = tenantry_limits::Limits::new(policies, limiter, Arc::new(LocalLimiter::new()));
            Arc::new(RequestLimits::new(limits, world.clone()))
        });
        let vocabulary = vocabulary::compose()?;
        let store = Store::connect(store_config(&config), vocabulary.clone()).await?;
        let (tasks, reader) = (TaskTracker::new(), Reader::new(store.clone()));
        let authority = Arc::new(AuthorityCache::new());
        let assignment_counts = AssignmentCounts::new(cache, reader.clone(), tasks.clone());
        let publisher = Publisher {
            authority: authority.clone(),
            assignment_counts: assignment_counts.clone(),
            invalidation: invalidation.clone(),
            wake_up: wake_up.clone(),
        };
        let transactions = Transactions::new(store.clone(), publisher);
        let refusals = Arc::new(Refusals::new(transactions.clone(), world.clone()));
        let usage = Arc::new(Usage::new(transactions.clone(), world.clone()));
        let secrets = Arc::new(secrets);
        let jwks = signing.jwks().to_string();
        let tokens = Arc::new(JwtTokens::new(signing, public_url.clone(), audience));
        let sessions = SessionPolicy {
            access: config.tokens.access_ttl,
            grace: config.tokens.refresh_grace,
            idle: config.tokens.refresh_idle,
            max: config.tokens.refresh_max,
        };
        let (blobs, outbox) = (storage(&config)?, Outbox::new(&config.mail)?);
        // Only one process serves from a SQLite file.
        let has_company = matches!(config.database.url, config::Database::Postgres(_));
        let parts = Parts {
            vocabulary,
            serving: limits.clone().filter(|_| has_company).map(|limits| ServingProcesses {
                transactions: transactions.clone(),
                world: world.clone(),
                limits,
                process: ProcessId::new(&world),
            }),
            cleaner: cleaner(&config, &transactions, &world),
            sealer: JournalSealer {
                transactions: transactions.clone(),
                world: world.clone(),
                keys: Arc::new(seal_keys),
            },
            health: Health::new(HealthSources {
                store: store.clone(),
                redis,
                blobs: blobs.clone(),
                place: config.storage.place.clone(),
                outbox: outbox.clone(),
                folders: folders(&config),
                world: world.clone(),
                limits: config.health.clone(),
            }),
            changes: Changes::new(
                transactions.clone(),
                world.clone(),
                secrets.clone(),
                refusals.clone(),
                tasks.clone(),
            ),
            authenticator: Authenticator::new(
                authority.clone(),
                tokens.clone(),
                world.clone(),
                transactions.clone(),
                usage.clone(),
                tasks.clone(),
            ),
            proofs: Proofs::new(
                reader.clone(),
                transactions.clone(),
                hasher.clone(),
                config.guessing_limits().map(guess_policy),
                refusals.clone(),
                tasks.clone(),
                world.clone(),
            ),
            issuer: TokenIssuer::new(tokens, secrets.clone(), sessions, world.clone()),
            world,
            store,
            reader,
            transactions,
            jwks,
            secrets,
            hasher,
            limits,
            authority,
            refusals,
            monitoring,
            requests: HttpMetrics::new(),
            watchdog: Arc::new(Watchdog::start()?),
            usage,
            blobs,
            outbox,
            link_pages: link_pages(&config.mail, &public_url),
            assignment_counts,
            invalidation,
            wake_up,
            tasks,
            ready: AtomicBool::new(false),
            public_url,
            config,
        };
        Ok(Self(Arc::new(parts)))
    }
}

/// Creates the service that deletes expired rows, with the configured retention times.
fn cleaner(config: &Config, transactions: &Transactions, world: &World) -> Cleaner {
    Cleaner {
        transactions: transactions.clone(),
        world: world.clone(),
        journal: JournalRetention {
            transactions: transactions.clone(),
            world: world.clone(),
            retention: config.audit.retention(),
        },
        keep_completed: config.jobs.keep_completed,
        keep_dead: config.jobs.keep_dead,
    }
}

/// The services that processes can share.
struct Shared {
    cache: Arc<dyn Cache>,
    invalidation: Arc<dyn Invalidation>,
    wake_up: Arc<dyn WakeUp>,
    /// `None` where each process counts for itself.
    limiter: Option<Arc<dyn Limiter>>,
}

/// Returns the services shared through Redis, or their local counterparts without Redis.
fn shared(redis: Option<&Redis>) -> Shared {
    let Some(redis) = redis else {
        return Shared {
            cache: Arc::new(LocalCache::new()),
            invalidation: Arc::new(LocalHub::default().join()),
            wake_up: Arc::new(LocalWakeUp::default()),
            limiter: None,
        };
    };
    Shared {
        cache: Arc::new(RedisCache::new(redis)),
        invalidation: Arc::new(RedisInvalidation::new(redis)),
        wake_up: Arc::new(RedisWakeUp::new(redis)),
        limiter: Some(Arc::new(RedisLimiter::new(redis))),
    }
}

/// Opens the configured storage of files.
pub(crate) fn storage(config: &Config) -> Result<Arc<dyn Blobs>, StartError> {
    Ok(Arc::new(match &config.storage.place {
        StoragePlace::Disk(folder) => Objects::on_disk(folder.clone())?,
        StoragePlace::S3(s3) => Objects::in_s3(s3)?,
    }))
}

pub(crate) fn store_config(config: &Config) -> StoreConfig {
    StoreConfig {
        database: config.database.url.clone(),
        pool_size: config.database.pool_size,
        deadline: config.database.deadline,
        synchronous: config.database.sqlite_synchronous,
    }
}

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
