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
use tenantry_limits::{Consumed, Consumption, Limiter, LimiterError, LocalFallback, RateLimitStatus, RateQuota};

/// Counts requests with governor's GCRA, one limiter per quota.
///
/// It holds about 50 bytes per caller that called since the last [`LocalFallback::forget_idle()`] and has not regained its whole
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

    fn consume_one(&self, consumption: &Consumption, weight: NonZeroU32) -> RateLimitStatus {
        let weight = weight.min(consumption.quota.limit);
        let limiter = self.limiter(consumption.quota);
        match limiter.check_key_n(&self.hasher.hash_one(&consumption.key), weight) {
            Ok(Ok(state)) => RateLimitStatus { remaining: state.remaining_burst_capacity() / weight, wait: None },
            Ok(Err(refused)) => RateLimitStatus { remaining: 0, wait: Some(refused.wait_time_from(self.clock.now())) },
            // Cannot happen: the weight never exceeds the limit.
            Err(_) => RateLimitStatus { remaining: 0, wait: Some(consumption.quota.window) },
        }
    }
}

/// The step is at least one nanosecond: the limit is a 32-bit number, and the window is at least a second.
fn keyed(quota: RateQuota) -> Keyed {
    let step = quota.step(NonZeroU32::MIN);
    let gcra = governor::Quota::with_period(step).unwrap_or(governor::Quota::per_second(quota.limit));
    RateLimiter::keyed(gcra.allow_burst(quota.limit)).with_middleware()
}

impl LocalFallback for LocalLimiter {
    fn consume(&self, consumptions: &[Consumption], weight: NonZeroU32) -> Consumed {
        let mut statuses = Vec::with_capacity(consumptions.len());
        for consumption in consumptions {
            let status = self.consume_one(consumption, weight);
            statuses.push(status);
            if status.wait.is_some() {
                break;
            }
        }
        Consumed { statuses, has_forgotten: false }
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
    async fn consume(&self, consumptions: &[Consumption], weight: NonZeroU32) -> Result<Consumed, LimiterError> {
        Ok(LocalFallback::consume(self, consumptions, weight))
    }
}
