//! Counts requests in the memory of this process.

use async_trait::async_trait;
use governor::{
    DefaultKeyedRateLimiter, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
};
use tenantry_limits::{Consumed, Consumption, Limiter, LimiterError, RateLimitStatus, RateQuota, Twin};

/// Counts requests with governor's GCRA, one limiter per quota.
///
/// It holds about 50 bytes per caller that called since the last [`Twin::forget_idle()`] and has not regained its whole
/// quota. The interval of those calls bounds the memory.
#[derive(Debug, Default)]
pub struct LocalLimiter {
    limiters: RwLock<HashMap<RateQuota, Arc<Keyed>>>,
    hasher: RandomState,
    clock: DefaultClock,
}

/// Keys are stored as a keyed hash that clients cannot predict. Among a billion keys, two collide with a probability of
/// one in forty.
type Keyed = DefaultKeyedRateLimiter<u64, StateInformationMiddleware>;

impl LocalLimiter {
    /// Creates a limiter without any caller.
    pub fn new() -> Self {
        Self::default()
    }

    fn limiter(&self, quota: RateQuota) -> Arc<Keyed> {
        if let Some(limiter) = self.limiters.read().unwrap_or_else(PoisonError::into_inner).get(&quota) {
            return limiter.clone();
        }
        let mut limiters = self.limiters.write().unwrap_or_else(PoisonError::into_inner);
        limiters.entry(quota).or_insert_with(|| Arc::new(keyed(quota))).clone()
    }

    fn charge_one(&self, charge: &Consumption, weight: NonZeroU32) -> RateLimitStatus {
        let weight = weight.min(charge.quota.limit);
        let limiter = self.limiter(charge.quota);
        match limiter.check_key_n(&self.hasher.hash_one(&charge.key), weight) {
            Ok(Ok(state)) => RateLimitStatus { remaining: state.remaining_burst_capacity() / weight, wait: None },
            Ok(Err(refused)) => RateLimitStatus { remaining: 0, wait: Some(refused.wait_time_from(self.clock.now())) },
            // Cannot happen: the weight never exceeds the limit.
            Err(_) => RateLimitStatus { remaining: 0, wait: Some(charge.quota.window) },
        }
    }
}

/// The step is at least one nanosecond: the limit is a 32-bit number, and the window is at least a second.
fn keyed(quota: RateQuota) -> Keyed {
    let step = quota.step(NonZeroU32::MIN);
    let gcra = governor::Quota::with_period(step).unwrap_or(governor::Quota::per_second(quota.limit));
    RateLimiter::keyed(gcra.allow_burst(quota.limit)).with_middleware()
}

impl Twin for LocalLimiter {
    fn charge(&self, charges: &[Consumption], weight: NonZeroU32) -> Consumed {
        let mut standings = Vec::with_capacity(charges.len());
        for charge in charges {
            let standing = self.charge_one(charge, weight);
            standings.push(standing);
            if standing.wait.is_some() {
                break;
            }
        }
        Consumed { standings, has_forgotten: false }
    }

    fn forget_idle(&self) {
        let limiters: Vec<Arc<Keyed>> =
            self.limiters.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for limiter in limiters {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

#[async_trait]
impl Limiter for LocalLimiter {
    async fn charge(&self, charges: &[Consumption], weight: NonZeroU32) -> Result<Consumed, LimiterError> {
        Ok(Twin::charge(self, charges, weight))
    }
}
