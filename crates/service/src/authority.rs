//! Finds the authority of access tokens.

use metrics::counter;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};
use tenantry_crypto::JwtTokens;
use tenantry_identity::{AccessClaims, AccessTokens, Sessions, TokenError};
use tenantry_kernel::{Authorities, Context, ErrorCode, ErrorKind, StoreError, Timestamp};
use tenantry_store::{Scope, SystemReason, Unit};
use tokio_util::task::TaskTracker;

use crate::{
    ServiceError,
    authority_cache::{AuthorityCache, CachedAuthority},
    log_context,
    transactions::Transactions,
    usage::Usage,
};

/// Finds the authority of access tokens, in the cache or by a look-up. Cloning is cheap.
#[derive(Clone)]
pub struct Authenticator(Arc<Parts>);

struct Parts {
    cache: Arc<AuthorityCache>,
    tokens: Arc<JwtTokens>,
    context: Context,
    transactions: Transactions,
    usage: Arc<Usage>,
    tasks: TaskTracker,
}

impl Authenticator {
    /// Authenticates tokens signed by `tokens`. Tasks that outlive a request are tracked in `tasks`.
    pub fn new(
        cache: Arc<AuthorityCache>,
        tokens: Arc<JwtTokens>,
        context: Context,
        transactions: Transactions,
        usage: Arc<Usage>,
        tasks: TaskTracker,
    ) -> Self {
        Self(Arc::new(Parts { cache, tokens, context, transactions, usage, tasks }))
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
        let now = self.0.context.now();
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
        let is_fresh = cache.is_fresh();
        if is_fresh
            && let Some(known) = cache.entries.get(&claims.session)
            && known.stamp == stamp
            && known.is_named_by(claims)
        {
            cache.looked_up.hit.increment(1);
            return Ok(known);
        }
        if is_fresh { &cache.looked_up.missed } else { &cache.looked_up.bypassed }.increment(1);
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
        if is_fresh {
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
