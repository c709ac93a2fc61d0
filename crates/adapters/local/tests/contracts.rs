//! Runs the contract suites within one process.

use std::sync::Arc;
use tenantry_cache::{Cache, Invalidation};
use tenantry_jobs::WakeUp;
use tenantry_limits::Limiter;
use tenantry_local::{LocalCache, LocalHub, LocalLimiter, LocalWakeUp};

fn caches() -> [Arc<dyn Cache>; 2] {
    let cache = Arc::new(LocalCache::new());
    [cache.clone(), cache]
}

fn limiters() -> [Arc<dyn Limiter>; 2] {
    let limiter = Arc::new(LocalLimiter::new());
    [limiter.clone(), limiter]
}

fn members() -> [Arc<dyn Invalidation>; 2] {
    let hub = LocalHub::default();
    [Arc::new(hub.join()), Arc::new(hub.join())]
}

fn wake_ups() -> [Arc<dyn WakeUp>; 2] {
    let wake_up = Arc::new(LocalWakeUp::default());
    [wake_up.clone(), wake_up]
}

tenantry_testkit::contract_tests! { on { local: crate::caches() } cache }
tenantry_testkit::contract_tests! { on { local: crate::limiters() } limiter }
tenantry_testkit::contract_tests! { on { local: crate::members() } invalidation }
tenantry_testkit::contract_tests! { on { local: crate::wake_ups() } wake_up }
