//! Caches the authority of sessions in the process. The cache is trusted only while the changes to authority are being
//! read.

use bytes::Bytes;
use metrics::{Counter, counter};
use moka::sync::Cache;
use std::{
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tenantry_crypto::JwtTokens;
use tenantry_identity::{AccessClaims, AccessTokens, Sessions, TokenError};
use tenantry_kernel::{
    Authorities, Authority, ErrorCode, ErrorKind, SessionId, StoreError, TenantId, Timestamp, UserId, World,
};
use tenantry_store::{AuthorityChange, AuthorityFeed, Scope, StoreConfig, SystemReason, Unit};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::{ServiceError, log_context, transactions::Transactions, usage::Usage};

/// The authority of a session, as it was looked up.
pub struct CachedAuthority {
    /// The authority of the session.
    pub authority: Authority,
    /// The user of the token, who is the authority's subject.
    pub user: UserId,
    session: SessionId,
    expires_at: Timestamp,
    /// The response to `GET /auth/me`, created at the first request.
    pub me: OnceLock<Bytes>,
    stamp: Stamp,
    seen_rotation: AtomicU32,
    marking: AtomicBool,
    used_minute: AtomicI64,
}

/// The generations of everything that an authority depends on, read before the look-up.
type Stamp = [u64; 3];

/// A cache whose entries are valid while none of the generations that they depend on has changed.
///
/// Keys share generations by hash. A change may therefore invalidate entries that it does not concern, which costs a
/// look-up. It always invalidates the entries that it does concern.
pub struct AuthorityCache {
    tokens: Cache<[u8; 32], AccessClaims>,
    entries: Cache<SessionId, Arc<CachedAuthority>>,
    generations: Box<[AtomicU64]>,
    hasher: RandomState,
    epoch: Instant,
    /// Start of the last successful read of changes, in milliseconds since the epoch; 0 before the first.
    read_began_ms: AtomicU64,
    looked_up: LookUps,
}

/// Counters of how authority and tokens were found, for the metrics.
struct LookUps {
    hit: Counter,
    missed: Counter,
    bypassed: Counter,
    token_hit: Counter,
    token_missed: Counter,
}

impl LookUps {
    fn new() -> Self {
        let authority = |result: &'static str| counter!("tenantry_authority_lookups_total", "result" => result);
        let token = |result: &'static str| counter!("tenantry_token_lookups_total", "result" => result);
        Self {
            hit: authority("hit"),
            missed: authority("miss"),
            bypassed: authority("bypassed"),
            token_hit: token("hit"),
            token_missed: token("miss"),
        }
    }
}

impl AuthorityCache {
    const SESSIONS: u64 = 100_000;
    const TOKENS: u64 = 200_000;
    const GENERATIONS: usize = 1 << 14;
    /// Maximum lifetime of an entry.
    const LIFETIME: Duration = Duration::from_secs(60);
    /// Time after its start for which a read of changes keeps the cache trusted.
    const VOUCHED: Duration = Duration::from_millis(750);

    /// Creates an empty cache. Nothing is served from it before the first read of changes.
    pub fn new() -> Self {
        Self {
            tokens: Cache::new(Self::TOKENS),
            entries: Cache::builder().max_capacity(Self::SESSIONS).time_to_live(Self::LIFETIME).build(),
            generations: (0..Self::GENERATIONS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            epoch: Instant::now(),
            read_began_ms: AtomicU64::new(0),
            looked_up: LookUps::new(),
        }
    }

    /// Invalidates the cached authority that these changes concern, so that it is looked up again.
    pub fn forget(&self, changes: &[AuthorityChange]) {
        for change in changes {
            let key = match change {
                AuthorityChange::Session(id) => id.uuid(),
                AuthorityChange::User(id) => id.uuid(),
                AuthorityChange::Tenant(id) => id.uuid(),
            };
            self.generation(key).fetch_add(1, Ordering::AcqRel);
        }
    }

    fn generation(&self, key: Uuid) -> &AtomicU64 {
        let place = self.hasher.hash_one(key) as usize % Self::GENERATIONS;
        &self.generations[place]
    }

    fn stamp(&self, session: SessionId, user: UserId, tenant: Option<TenantId>) -> Stamp {
        let generation = |key: Uuid| self.generation(key).load(Ordering::Acquire);
        [generation(session.uuid()), generation(user.uuid()), tenant.map_or(0, |tenant| generation(tenant.uuid()))]
    }

    fn is_vouched_for(&self) -> bool {
        self.feed_age().is_some_and(|age| age < Self::VOUCHED)
    }

    /// Returns the time since the start of the last successful read of changes; `None` before the first.
    pub fn feed_age(&self) -> Option<Duration> {
        let read_began = self.read_began_ms.load(Ordering::Acquire);
        (read_began > 0).then(|| self.epoch.elapsed().saturating_sub(Duration::from_millis(read_began)))
    }

    /// Returns the approximate numbers of cached authorities and of cached tokens.
    pub fn sizes(&self) -> (u64, u64) {
        (self.entries.entry_count(), self.tokens.entry_count())
    }

    fn mark_fresh(&self, read_began: Instant) {
        let since_epoch = read_began.saturating_duration_since(self.epoch).as_millis();
        self.read_began_ms.store(u64::try_from(since_epoch).unwrap_or(0).max(1), Ordering::Release);
    }
}

impl Default for AuthorityCache {
    fn default() -> Self {
        Self::new()
    }
}

/// Finds the authority of access tokens, in the cache or by a look-up. Cloning is cheap.
#[derive(Clone)]
pub struct Authenticator(Arc<Parts>);

struct Parts {
    cache: Arc<AuthorityCache>,
    tokens: Arc<JwtTokens>,
    world: World,
    transactions: Transactions,
    usage: Arc<Usage>,
    tasks: TaskTracker,
}

impl Authenticator {
    /// Authenticates tokens signed by `tokens`. Tasks that outlive a request are tracked in `tasks`.
    pub fn new(
        cache: Arc<AuthorityCache>,
        tokens: Arc<JwtTokens>,
        world: World,
        transactions: Transactions,
        usage: Arc<Usage>,
        tasks: TaskTracker,
    ) -> Self {
        Self(Arc::new(Parts { cache, tokens, world, transactions, usage, tasks }))
    }

    /// Maximum time that a request waits until its rotation is marked as seen.
    const MARKING: Duration = Duration::from_millis(200);

    /// Returns the current authority of the client that sends this access token.
    pub async fn authority_of(&self, token: &str, digest: [u8; 32]) -> Result<Arc<CachedAuthority>, ServiceError> {
        let found = self.find_authority(token, digest).await;
        if let Err(failure) = &found
            && failure.code.kind() == ErrorKind::Unauthenticated
        {
            counter!("tenantry_tokens_refused_total", "reason" => failure.code.name()).increment(1);
        }
        found
    }

    async fn find_authority(&self, token: &str, digest: [u8; 32]) -> Result<Arc<CachedAuthority>, ServiceError> {
        let now = self.0.world.now();
        let claims = self.claims_of(token, digest)?;
        claims.check_time(now.unix_seconds()).map_err(token_failure)?;
        let known = self.look_up(&claims, now).await?;
        if now >= known.expires_at {
            return Err(ServiceError::new(ErrorCode::SESSION_ENDED));
        }
        if claims.rotation > known.seen_rotation.load(Ordering::Relaxed) {
            self.mark_seen(&known, claims.rotation).await;
        }
        let minute = now.unix_millis() / 60_000;
        if known.used_minute.swap(minute, Ordering::Relaxed) != minute {
            self.0.usage.note(claims.session);
        }
        Ok(known)
    }

    /// Returns the claims of a genuine token. The signature of a token is verified once and then cached.
    pub fn claims_of(&self, token: &str, digest: [u8; 32]) -> Result<AccessClaims, ServiceError> {
        if let Some(claims) = self.0.cache.tokens.get(&digest) {
            self.0.cache.looked_up.token_hit.increment(1);
            return Ok(claims);
        }
        self.0.cache.looked_up.token_missed.increment(1);
        let claims = self.0.tokens.verify(token).map_err(token_failure)?;
        self.0.cache.tokens.insert(digest, claims.clone());
        Ok(claims)
    }

    async fn look_up(&self, claims: &AccessClaims, now: Timestamp) -> Result<Arc<CachedAuthority>, ServiceError> {
        let cache = &*self.0.cache;
        let stamp = cache.stamp(claims.session, claims.user, claims.tenant);
        let vouched_for = cache.is_vouched_for();
        if vouched_for
            && let Some(known) = cache.entries.get(&claims.session)
            && known.stamp == stamp
        {
            cache.looked_up.hit.increment(1);
            return Ok(known);
        }
        if vouched_for { &cache.looked_up.missed } else { &cache.looked_up.bypassed }.increment(1);
        let mut unit = self.0.transactions.read(Scope::System(SystemReason::Authority)).await?;
        let authority = unit.authority_of(claims.session, now).await?;
        let authority = authority.ok_or_else(|| ServiceError::new(ErrorCode::SESSION_ENDED))?;
        let session = authority.session()?;
        if session.user != claims.user || authority.tenant_id() != claims.tenant {
            return Err(ServiceError::new(ErrorCode::TOKEN_INVALID));
        }
        let known = Arc::new(CachedAuthority {
            user: session.user,
            session: session.session,
            expires_at: session.expires_at,
            seen_rotation: AtomicU32::new(session.seen_rotation),
            authority,
            me: OnceLock::new(),
            stamp,
            marking: AtomicBool::new(false),
            used_minute: AtomicI64::new(0),
        });
        // Do not cache before the first successful read of changes: an earlier change would never be reported.
        if vouched_for {
            cache.entries.insert(claims.session, known.clone());
        }
        Ok(known)
    }

    /// Records that the client uses the successor of a refresh token. The predecessor then no longer counts as a lost
    /// response.
    async fn mark_seen(&self, known: &Arc<CachedAuthority>, rotation: u32) {
        if known.marking.swap(true, Ordering::AcqRel) {
            return;
        }
        let (transactions, known) = (self.0.transactions.clone(), known.clone());
        let marking = tokio::task::spawn_local(log_context::inherit(self.0.tasks.track_future(async move {
            let mark = async |unit: &mut Unit| unit.mark_rotation_seen(known.session, rotation).await;
            let marked: Result<(), StoreError> = transactions.housekeeping(SystemReason::Token, mark).await;
            match marked {
                Ok(()) => known.seen_rotation.store(rotation, Ordering::Relaxed),
                Err(error) => tracing::debug!(%error, "a rotation could not be marked as seen"),
            }
            known.marking.store(false, Ordering::Release);
        })));
        let waited = tokio::time::timeout(Self::MARKING, marking).await;
        tracing::trace!(in_time = waited.is_ok(), "marked a rotation as seen");
    }
}

fn token_failure(error: TokenError) -> ServiceError {
    ServiceError::new(match error {
        TokenError::Invalid => ErrorCode::TOKEN_INVALID,
        TokenError::Expired => ErrorCode::TOKEN_EXPIRED,
    })
}

/// Reads changes of authority on a thread and a connection of its own, so that neither a busy process nor a full pool
/// delays the reads.
pub struct AuthorityReader {
    /// Dropping the sender ends the thread at once, also between two reads.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl AuthorityReader {
    const INTERVAL: Duration = Duration::from_millis(100);
    const TIME_LIMIT: Duration = Duration::from_millis(700);

    /// Starts the thread, which keeps `cache` fresh until the reader is dropped.
    pub fn start(cache: Arc<AuthorityCache>, config: StoreConfig) -> std::io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("authority".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = read_changes(&cache, AuthorityFeed::new(config)) => {}
                }
            });
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

/// Reads changes of authority while the future is polled.
async fn read_changes(cache: &AuthorityCache, mut feed: AuthorityFeed) {
    let mut failing = false;
    loop {
        let began = Instant::now();
        match tokio::time::timeout(AuthorityReader::TIME_LIMIT, feed.read()).await {
            Ok(Ok(changes)) => {
                cache.forget(&changes);
                cache.mark_fresh(began);
                if failing {
                    tracing::info!("changes of authority are being read again");
                }
                failing = false;
            }
            Ok(Err(error)) if !failing => {
                tracing::warn!(%error, "changes of authority cannot be read; every request looks its own up");
                failing = true;
            }
            Err(_) if !failing => {
                tracing::warn!("changes of authority are not read in time; every request looks its own up");
                failing = true;
            }
            Ok(Err(_)) | Err(_) => {}
        }
        tokio::time::sleep(AuthorityReader::INTERVAL.saturating_sub(began.elapsed())).await;
    }
}

impl Drop for AuthorityReader {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the reader of authority changes panicked");
        }
    }
}
