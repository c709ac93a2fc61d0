//! What sessions may do, kept in the process and never trusted longer than the changes to it are being read.

use bytes::Bytes;
use metrics::{Counter, counter};
use moka::sync::Cache;
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tenantry_cache::Change;
use tenantry_identity::{AccessClaims, AccessTokens, Sessions, TokenError};
use tenantry_kernel::{
    Authorities, Authority, ErrorCode, ErrorKind, SessionId, StoreError, TenantId, Timestamp, UserId,
};
use tenantry_store::{AuthorityChange, AuthorityFeed, Scope, StoreConfig, SystemReason};
use uuid::Uuid;

use crate::{App, Failure, logging};

/// What a session may do, as it was looked up.
pub(crate) struct Known {
    pub(crate) authority: Authority,
    /// The answer to `GET /auth/me`, made when first asked for.
    pub(crate) me: OnceLock<Bytes>,
    stamp: Stamp,
    seen_rotation: AtomicU32,
    marking: AtomicBool,
    used_minute: AtomicI64,
}

/// The generations of everything that an authority depends on, before it was looked up.
type Stamp = [u64; 3];

/// A cache in which an entry is good for as long as no generation it depends on has moved.
///
/// Keys share generations by hash: a change may spoil entries that it does not concern, which costs a look-up, and
/// never spares one that it does.
pub(crate) struct AuthorityCache {
    tokens: Cache<[u8; 32], AccessClaims>,
    entries: Cache<SessionId, Arc<Known>>,
    generations: Box<[AtomicU64]>,
    hasher: RandomState,
    epoch: Instant,
    /// When the last successful reading of changes began, in milliseconds since the epoch; 0 before the first.
    read_began_ms: AtomicU64,
    looked_up: LookUps,
}

/// How authority and tokens were found, for the metrics.
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
    /// How long an entry lives at most.
    const LIFETIME: Duration = Duration::from_secs(60);
    /// For how long after its beginning a reading of changes vouches for the cache.
    const VOUCHED: Duration = Duration::from_millis(750);

    pub(crate) fn new() -> Self {
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

    /// Makes everybody whose power has changed be looked up anew.
    pub(crate) fn forget(&self, changes: &[AuthorityChange]) {
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

    /// How long ago the last successful reading of changes began; nothing before the first.
    pub(crate) fn feed_age(&self) -> Option<Duration> {
        let read_began = self.read_began_ms.load(Ordering::Acquire);
        (read_began > 0).then(|| self.epoch.elapsed().saturating_sub(Duration::from_millis(read_began)))
    }

    /// How many sessions' authorities and how many tokens are kept, about.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        (self.entries.entry_count(), self.tokens.entry_count())
    }

    fn vouch(&self, read_began: Instant) {
        let since_epoch = read_began.saturating_duration_since(self.epoch).as_millis();
        self.read_began_ms.store(u64::try_from(since_epoch).unwrap_or(0).max(1), Ordering::Release);
    }
}

impl App {
    /// How long a request waits at most for its rotation to be marked as seen.
    const MARKING: Duration = Duration::from_millis(200);

    /// What the bearer of an access token may do now.
    pub(crate) async fn authority_of(&self, token: &str, digest: [u8; 32]) -> Result<Arc<Known>, Failure> {
        let found = self.find_authority(token, digest).await;
        if let Err(failure) = &found
            && failure.code.kind() == ErrorKind::Unauthenticated
        {
            counter!("tenantry_tokens_refused_total", "reason" => failure.code.name()).increment(1);
        }
        found
    }

    async fn find_authority(&self, token: &str, digest: [u8; 32]) -> Result<Arc<Known>, Failure> {
        let now = self.world.now();
        let claims = self.claims_of(token, digest)?;
        claims.check_time(now.unix_seconds()).map_err(token_failure)?;
        let known = self.look_up(&claims, now).await?;
        if now >= known.authority.session_expires_at {
            return Err(Failure::new(ErrorCode::SESSION_ENDED));
        }
        if claims.rotation > known.seen_rotation.load(Ordering::Relaxed) {
            self.mark_seen(&known, claims.rotation).await;
        }
        let minute = now.unix_millis() / 60_000;
        if known.used_minute.swap(minute, Ordering::Relaxed) != minute {
            self.usage.note(claims.session);
        }
        Ok(known)
    }

    /// The claims of a genuine token; its signature is checked once.
    pub(crate) fn claims_of(&self, token: &str, digest: [u8; 32]) -> Result<AccessClaims, Failure> {
        if let Some(claims) = self.authority.tokens.get(&digest) {
            self.authority.looked_up.token_hit.increment(1);
            return Ok(claims);
        }
        self.authority.looked_up.token_missed.increment(1);
        let claims = self.tokens.verify(token).map_err(token_failure)?;
        self.authority.tokens.insert(digest, claims.clone());
        Ok(claims)
    }

    async fn look_up(&self, claims: &AccessClaims, now: Timestamp) -> Result<Arc<Known>, Failure> {
        let cache = &self.authority;
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
        let mut unit = self.store.read(Scope::System(SystemReason::Authority)).await?;
        let authority = unit.authority_of(claims.session, now).await?;
        let authority = authority.ok_or_else(|| Failure::new(ErrorCode::SESSION_ENDED))?;
        if authority.user != claims.user || authority.tenant_id() != claims.tenant {
            return Err(Failure::new(ErrorCode::TOKEN_INVALID));
        }
        let known = Arc::new(Known {
            seen_rotation: AtomicU32::new(authority.seen_rotation),
            authority,
            me: OnceLock::new(),
            stamp,
            marking: AtomicBool::new(false),
            used_minute: AtomicI64::new(0),
        });
        // What was looked up before the first reading of changes may have changed before it too, and nobody would say so.
        if vouched_for {
            cache.entries.insert(claims.session, known.clone());
        }
        Ok(known)
    }

    /// Notes that the successor of a refresh token is in use, so that its predecessor is no lost answer any more.
    async fn mark_seen(&self, known: &Arc<Known>, rotation: u32) {
        if known.marking.swap(true, Ordering::AcqRel) {
            return;
        }
        let (app, known) = (self.clone(), known.clone());
        let marking = actix_web::rt::spawn(logging::inherit(self.changes.track_future(async move {
            let marked: Result<(), StoreError> = async {
                let mut unit = app.store.begin(Scope::System(SystemReason::Token)).await?;
                unit.mark_rotation_seen(known.authority.session, rotation).await?;
                unit.commit().await.map(|_| ())
            }
            .await;
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

fn token_failure(error: TokenError) -> Failure {
    Failure::new(match error {
        TokenError::Invalid => ErrorCode::TOKEN_INVALID,
        TokenError::Expired => ErrorCode::TOKEN_EXPIRED,
    })
}

/// The changes, for other processes.
pub(crate) fn published(changes: &[AuthorityChange]) -> Vec<Change> {
    let published = |change: &AuthorityChange| match *change {
        AuthorityChange::Session(id) => Change::Session(id),
        AuthorityChange::User(id) => Change::User(id),
        AuthorityChange::Tenant(id) => Change::Tenant(id),
    };
    changes.iter().map(published).collect()
}

/// Forgets what other processes say has changed. It only hurries: [`AuthorityReader`] sees the same in the database.
pub(crate) async fn heed_messages(app: App) {
    let heard = |change: Change| match change {
        Change::Session(id) => AuthorityChange::Session(id),
        Change::User(id) => AuthorityChange::User(id),
        Change::Tenant(id) => AuthorityChange::Tenant(id),
    };
    loop {
        let changes: Vec<AuthorityChange> = app.invalidation.received().await.into_iter().map(heard).collect();
        app.authority.forget(&changes);
    }
}

/// Reads changes of authority on a thread and a connection of its own, so that a busy process or a full pool cannot
/// blind it.
pub(crate) struct AuthorityReader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl AuthorityReader {
    const INTERVAL: Duration = Duration::from_millis(100);
    const TIME_LIMIT: Duration = Duration::from_millis(700);

    pub(crate) fn start(app: App, config: StoreConfig) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("authority".to_owned()).spawn({
            let stop = stop.clone();
            move || runtime.block_on(read_until(&stop, &app, AuthorityFeed::new(config)))
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

async fn read_until(stop: &AtomicBool, app: &App, mut feed: AuthorityFeed) {
    let mut failing = false;
    while !stop.load(Ordering::Acquire) {
        let began = Instant::now();
        match tokio::time::timeout(AuthorityReader::TIME_LIMIT, feed.read()).await {
            Ok(Ok(changes)) => {
                app.authority.forget(&changes);
                app.authority.vouch(began);
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
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the reader of authority changes panicked");
        }
    }
}
