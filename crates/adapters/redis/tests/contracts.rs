//! Runs the contract suites on the Redis that `TEST_REDIS_URL` names.

use std::{sync::Arc, time::Duration};
use tenantry_cache::{Cache, Invalidation};
use tenantry_jobs::WakeUp;
use tenantry_limits::Limiter;
use tenantry_redis::{Redis, RedisCache, RedisInvalidation, RedisLimiter, RedisTimeouts, RedisWakeUp};
use tenantry_testkit::{context, redis::shared_url};

/// Returns two handles on one Redis, like two processes. Their limits are long, because other tests may keep the
/// machine busy.
fn two() -> [Redis; 2] {
    let limits = RedisTimeouts { command: Duration::from_secs(5), ..RedisTimeouts::default() };
    [(); 2].map(|()| Redis::open(shared_url().into(), limits, context::real()).expect("a thread"))
}

fn caches() -> [Arc<dyn Cache>; 2] {
    two().map(|redis| Arc::new(RedisCache::new(&redis)) as Arc<dyn Cache>)
}

fn limiters() -> [Arc<dyn Limiter>; 2] {
    two().map(|redis| Arc::new(RedisLimiter::new(&redis)) as Arc<dyn Limiter>)
}

fn members() -> [Arc<dyn Invalidation>; 2] {
    two().map(|redis| Arc::new(RedisInvalidation::new(&redis)) as Arc<dyn Invalidation>)
}

fn wake_ups() -> [Arc<dyn WakeUp>; 2] {
    two().map(|redis| Arc::new(RedisWakeUp::new(&redis)) as Arc<dyn WakeUp>)
}

tenantry_testkit::contract_tests! { on { redis: crate::caches() } cache }
tenantry_testkit::contract_tests! { on { redis: crate::limiters() } limiter }
tenantry_testkit::contract_tests! { on { redis: crate::members() } invalidation }
tenantry_testkit::contract_tests! { on { redis: crate::wake_ups() } wake_up }
