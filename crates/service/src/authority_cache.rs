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
use tenantry_identity::AccessClaims;
use tenantry_kernel::{Authority, SessionId, TenantId, Timestamp, UserId};
use tenantry_store::{AuthorityChange, AuthorityFeed, FeedRead, StoreConfig};
use tokio::sync::oneshot;
use uuid::Uuid;

/// The authority of a session, as it was looked up.
pub struct CachedAuthority {
    /// The authority of the session.
    pub authority: Authority,
    /// The user of the token, who is the authority's subject.
    pub user: UserId,
    pub(crate) session: SessionId,
    pub(crate) expires_at: Timestamp,
    /// The response to `GET /auth/me`, created at the first request.
    pub me: OnceLock<Bytes>,
    pub(crate) stamp: AuthorityStamp,
    pub(crate) seen_rotation: AtomicU32,
    pub(crate) marking: AtomicBool,
    pub(crate) used_minute: AtomicI64,
}

impl CachedAuthority {
    /// Returns whether the claims name the user and the tenant of this session. The stamp alone does not tell: it is
    /// made from the claims, and so follows the changes of whatever user and tenant they name.
    pub(crate) fn is_named_by(&self, claims: &AccessClaims) -> bool {
        self.user == claims.user && self.authority.tenant_id() == claims.tenant
    }
}

/// The generations of everything that an authority depends on, read before the look-up.
pub(crate) type AuthorityStamp = [u64; 3];

/// A cache whose entries are valid while none of the generations that they depend on has changed.
///
/// Keys share generations by hash. A change may therefore invalidate entries that it does not concern, which costs a
/// look-up. It always invalidates the entries that it does concern.
pub struct AuthorityCache {
    pub(crate) tokens: Cache<[u8; 32], AccessClaims>,
    pub(crate) entries: Cache<SessionId, Arc<CachedAuthority>>,
    generations: Box<[AtomicU64]>,
    hasher: RandomState,
    epoch: Instant,
    /// Start of the last successful read of changes, in milliseconds since the epoch; 0 before the first.
    read_began_ms: AtomicU64,
    pub(crate) looked_up: LookUps,
}

/// Counters of how authority and tokens were found, for the metrics.
pub(crate) struct LookUps {
    pub(crate) hit: Counter,
    pub(crate) missed: Counter,
    pub(crate) bypassed: Counter,
    pub(crate) token_hit: Counter,
    pub(crate) token_missed: Counter,
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
    const FRESH_FOR: Duration = Duration::from_millis(750);

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

    /// Invalidates everything, because changes may have been missed.
    fn forget_everything(&self) {
        for generation in &self.generations {
            generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn generation(&self, key: Uuid) -> &AtomicU64 {
        let place = self.hasher.hash_one(key) as usize % Self::GENERATIONS;
        &self.generations[place]
    }

    pub(crate) fn stamp(&self, session: SessionId, user: UserId, tenant: Option<TenantId>) -> AuthorityStamp {
        let generation = |key: Uuid| self.generation(key).load(Ordering::Acquire);
        [generation(session.uuid()), generation(user.uuid()), tenant.map_or(0, |tenant| generation(tenant.uuid()))]
    }

    pub(crate) fn is_fresh(&self) -> bool {
        self.feed_age().is_some_and(|age| age < Self::FRESH_FOR)
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
            Ok(Ok(read)) => {
                match read {
                    FeedRead::Begun => cache.forget_everything(),
                    FeedRead::Changes(changes) => cache.forget(&changes),
                }
                cache.mark_fresh(began);
                if failing {
                    tracing::info!("the feed of authority changes is read again");
                }
                failing = false;
            }
            Ok(Err(error)) if !failing => {
                tracing::warn!(%error, "the feed of authority changes cannot be read; the cache is bypassed");
                failing = true;
            }
            Err(_) if !failing => {
                tracing::warn!("the feed of authority changes is not read in time; the cache is bypassed");
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
