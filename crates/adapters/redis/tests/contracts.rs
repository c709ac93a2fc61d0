//! Runs the contract suites on the Redis that `TEST_REDIS_URL` names.

use std::time::Duration;
use tenantry_redis::{Limits, Redis, RedisCache, RedisInvalidation, RedisLimiter, RedisWakeUp};
use tenantry_testkit::{cache, invalidation, limiter, redis::shared_url, wake_up, world};

/// Returns two handles on one Redis, like two processes. Their limits are long, because other tests may keep the
/// machine busy.
fn two() -> [Redis; 2] {
    let limits = Limits { command: Duration::from_secs(5), ..Limits::default() };
    [(); 2].map(|()| Redis::open(shared_url().into(), limits, world::real()).expect("a thread"))
}

#[tokio::test]
async fn cache_contract() {
    let [one, other] = two();
    cache::contract(&RedisCache::new(&one), &RedisCache::new(&other)).await;
}

#[tokio::test]
async fn invalidation_contract() {
    let [one, other] = two();
    invalidation::contract(&RedisInvalidation::new(&one), &RedisInvalidation::new(&other)).await;
}

#[tokio::test]
async fn wake_up_contract() {
    let [one, other] = two();
    wake_up::contract(&RedisWakeUp::new(&one), Some(&RedisWakeUp::new(&other))).await;
}

#[tokio::test]
async fn limiter_contract() {
    let [one, other] = two();
    limiter::contract(&RedisLimiter::new(&one), &RedisLimiter::new(&other)).await;
}
