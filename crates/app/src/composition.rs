//! The composition root: connects the adapters to the ports of the services and of the API.

use std::{
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, LazyLock},
};
use tenantry_cache::{Cache, Invalidation};
use tenantry_crypto::{
    Argon2Parameters, Argon2Pool, JwtTokens, SealSigningKeys, ServerSecrets, SigningKeys, SystemClock, SystemEntropy,
};
use tenantry_files::Blobs;
use tenantry_http::{ApiSettings, App, AppParts, HttpMetrics};
use tenantry_identity::{GuessPolicy, GuessQuota, KNOWN_ADDRESS_FOR, SessionPolicy};
use tenantry_jobs::WakeUp;
use tenantry_kernel::Context;
use tenantry_limits::{Limiter, ProcessId};
use tenantry_local::{LocalCache, LocalHub, LocalLimiter, LocalWakeUp};
use tenantry_objects::Objects;
use tenantry_redis::{Redis, RedisCache, RedisInvalidation, RedisLimiter, RedisTimeouts, RedisWakeUp};
use tenantry_service::{
    AssignmentCounts, Authenticator, AuthorityCache, Changes, Cleaner, JournalRetention, JournalSealer, LinkPages,
    NotedAddresses, Proofs, Publisher, Reader, Refusals, RequestLimits, ServingProcesses, TokenIssuer, Transactions,
    Usage,
};
use tenantry_store::{Store, StoreConfig};
use tokio_util::task::TaskTracker;

use crate::{
    StartError,
    config::{self, Config, StoragePlace},
    health::{Health, HealthSources, folders},
    keys::Keys,
    mail::{ConfiguredMailer, link_pages},
    monitoring::Monitoring,
    vocabulary,
    watchdog::Watchdog,
};

/// The composed application. Cloning is cheap.
#[derive(Clone)]
pub struct Composition(Arc<Parts>);

/// The parts of the application.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The URL at which clients reach the API, without a trailing slash.
    pub public_url: String,
    /// Clock and random source.
    pub context: Context,
    /// The database.
    pub store: Store,
    /// Opens units for reading.
    pub(crate) reader: Reader,
    /// Opens units for writing. HTTP handlers must not use it.
    pub(crate) transactions: Transactions,
    /// Runs the changes that clients request.
    pub(crate) changes: Changes,
    /// The application, as HTTP handlers see it.
    pub(crate) http: App,
    pub(crate) secrets: Arc<ServerSecrets>,
    /// Limits requests; `None` where requests are not limited.
    pub(crate) limits: Option<Arc<RequestLimits>>,
    /// The list of processes that divide the limits; `None` where there is only one process.
    pub(crate) serving: Option<ServingProcesses>,
    /// Deletes expired rows.
    pub(crate) cleaner: Cleaner,
    /// Seals the journal.
    pub sealer: JournalSealer,
    pub(crate) authority: Arc<AuthorityCache>,
    pub(crate) refusals: Arc<Refusals>,
    /// The metrics; `None` where `METRICS_ADDR` is not set.
    pub(crate) monitoring: Option<Arc<Monitoring>>,
    pub(crate) watchdog: Arc<Watchdog>,
    pub(crate) health: Arc<Health>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) outbox: ConfiguredMailer,
    pub(crate) link_pages: LinkPages,
    pub(crate) invalidation: Arc<dyn Invalidation>,
    pub(crate) wake_up: Arc<dyn WakeUp>,
    /// Running changes and other tasks, which a stop waits for.
    pub(crate) tasks: TaskTracker,
}

impl Deref for Composition {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Composition {
    /// Returns the address of the metrics server, once it listens.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.monitoring.as_ref()?.address()
    }

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
        let hasher = Arc::new(Argon2Pool::new(parameters, threads, parameters.queue_capacity(threads))?);
        let context = Context::new(SystemClock, SystemEntropy);
        let redis = config
            .general
            .redis
            .clone()
            .map(|url| Redis::open(url, RedisTimeouts::default(), context.clone()))
            .transpose()?;
        let Shared { cache, invalidation, wake_up, limiter } = shared(redis.as_ref());
        let limits = config.rate_limits.policies().map(|policies| {
            let limits = tenantry_limits::Limits::new(policies, limiter, Arc::new(LocalLimiter::new()));
            Arc::new(RequestLimits::new(limits, context.clone()))
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
        let refusals = Arc::new(Refusals::new(transactions.clone(), context.clone()));
        let usage = Arc::new(Usage::new(transactions.clone(), context.clone()));
        let secrets = Arc::new(secrets);
        let jwks = signing.jwks().to_string();
        let tokens = Arc::new(JwtTokens::new(signing, public_url.clone(), audience));
        let sessions = SessionPolicy {
            access: config.tokens.access_ttl,
            grace: config.tokens.refresh_grace,
            idle: config.tokens.refresh_idle,
            max: config.tokens.refresh_max,
        };
        let (blobs, outbox) = (storage(&config)?, ConfiguredMailer::new(&config.mail)?);
        // Only one process serves from a SQLite file.
        let has_company = matches!(config.database.url, config::Database::Postgres(_));
        let changes =
            Changes::new(transactions.clone(), context.clone(), secrets.clone(), refusals.clone(), tasks.clone());
        let watchdog = Arc::new(Watchdog::start()?);
        let health = Arc::new(Health::new(HealthSources {
            store: store.clone(),
            redis,
            blobs: blobs.clone(),
            place: config.storage.place.clone(),
            outbox: outbox.clone(),
            folders: folders(&config),
            context: context.clone(),
            limits: config.health.clone(),
            watchdog: watchdog.clone(),
        }));
        let http = App::new(AppParts {
            settings: api_settings(&config, public_url.clone()),
            context: context.clone(),
            vocabulary,
            reader: reader.clone(),
            changes: changes.clone(),
            authenticator: Authenticator::new(
                authority.clone(),
                tokens.clone(),
                context.clone(),
                transactions.clone(),
                usage.clone(),
                tasks.clone(),
            ),
            issuer: TokenIssuer::new(tokens, secrets.clone(), sessions, context.clone()),
            jwks,
            secrets: secrets.clone(),
            hasher: hasher.clone(),
            proofs: Proofs::new(
                reader.clone(),
                transactions.clone(),
                hasher,
                config.guessing_limits().map(guess_policy),
                refusals.clone(),
                tasks.clone(),
                context.clone(),
            ),
            noted_addresses: NotedAddresses::new(),
            limits: limits.clone(),
            assignment_counts,
            blobs: blobs.clone(),
            tasks: tasks.clone(),
            health: health.clone(),
            metrics: HttpMetrics::new(tenantry_http::operations()),
            document: LazyLock::new(|| {
                let (codes, actions) = (vocabulary::error_codes(), vocabulary::actions());
                tenantry_http::document(&codes, &actions, &vocabulary::target_kinds()).to_string().into()
            }),
        });
        let parts = Parts {
            http,
            serving: limits.clone().filter(|_| has_company).map(|limits| ServingProcesses {
                transactions: transactions.clone(),
                context: context.clone(),
                limits,
                process: ProcessId::new(&context),
            }),
            cleaner: cleaner(&config, &transactions, &context),
            sealer: JournalSealer {
                transactions: transactions.clone(),
                context: context.clone(),
                keys: Arc::new(seal_keys),
            },
            link_pages: link_pages(&config.mail, &public_url),
            config,
            public_url,
            context,
            store,
            reader,
            transactions,
            changes,
            secrets,
            limits,
            authority,
            refusals,
            monitoring,
            watchdog,
            health,
            usage,
            blobs,
            outbox,
            invalidation,
            wake_up,
            tasks,
        };
        Ok(Self(Arc::new(parts)))
    }
}

/// Returns the settings that the API uses.
fn api_settings(config: &Config, public_url: String) -> ApiSettings {
    let quotas = config.storage.quotas.clone();
    ApiSettings {
        public_url,
        cors_origins: config.http.cors_origins.clone(),
        trusted_proxies: config.http.trusted_proxies,
        health_token: config.http.health_token.clone(),
        shows_health_locally: !config.general.environment.is_production(),
        registration: config.general.registration,
        redirects_downloads: config.storage.redirect,
        max_file_bytes: config.storage.max_file_bytes,
        storage_limit: Arc::new(move |plan: &str| quotas.of_plan(plan)),
        retention: config.audit.retention(),
    }
}

/// Creates the service that deletes expired rows, with the configured retention times.
fn cleaner(config: &Config, transactions: &Transactions, context: &Context) -> Cleaner {
    Cleaner {
        transactions: transactions.clone(),
        context: context.clone(),
        journal: JournalRetention {
            transactions: transactions.clone(),
            context: context.clone(),
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
    let quota = |limit: config::Limit| GuessQuota { limit: limit.attempts, window: limit.window };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use actix_web::{HttpResponse, HttpServer, web};
    use std::net::TcpListener;
    use tenantry_kernel::ErrorCode;

    async fn panics() -> HttpResponse {
        panic!("secret thoughts of {}", "a handler")
    }

    /// Starts a server of one worker with a route that panics. The API itself has no such route.
    async fn serve() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            [("DATA_DIR", folder.path().to_str().expect("UTF-8")), ("PUBLIC_URL", "https://api.example.com")];
        let config = Config::load(Sources::from_environment(settings)).expect("a configuration");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = Composition::compose(config, address).await.expect("an application");
        let server = HttpServer::new(move || {
            let service = tenantry_http::service(app.http.clone()).route("/panics", web::to(panics));
            service.route("/works", web::to(HttpResponse::NoContent))
        });
        actix_web::rt::spawn(server.workers(1).disable_signals().listen(listener).expect("a server").run());
        (folder, format!("http://{address}"))
    }

    #[actix_web::test]
    async fn in4_a_panic_is_answered_and_the_process_lives() {
        let (_folder, url) = serve().await;
        let client = reqwest::Client::new();
        for body in ["", "a body that no handler reads"] {
            let answer = client.post(format!("{url}/panics")).body(body).send().await.expect("an answer");
            assert_eq!(answer.status(), 500);
            let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("cache-control"), "no-store");
            assert!(header("strict-transport-security").starts_with("max-age="));
            let id = header("x-request-id");
            let text = answer.text().await.expect("text");
            let wanted = serde_json::json!({
                "success": false,
                "error": { "code": "internal", "message": ErrorCode::INTERNAL.sentence() },
                "requestId": id,
            });
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(wanted), "{text}");
            let works = client.get(format!("{url}/works")).send().await.expect("the one worker lives");
            assert_eq!(works.status(), 204);
        }
    }
}
