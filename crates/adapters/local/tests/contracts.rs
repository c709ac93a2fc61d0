//! Runs the contract suites within one process.

use tenantry_local::{LocalCache, LocalHub, LocalLimiter, LocalWakeUp};
use tenantry_testkit::{cache, invalidation, limiter, wake_up};

#[tokio::test]
async fn cache_contract() {
    let local = LocalCache::new();
    cache::contract(&local, &local).await;
}

#[tokio::test]
async fn invalidation_contract() {
    let hub = LocalHub::default();
    invalidation::contract(&hub.join(), &hub.join()).await;
}

#[tokio::test]
async fn wake_up_contract() {
    wake_up::contract(&LocalWakeUp::default(), None).await;
}

#[tokio::test]
async fn limiter_contract() {
    let local = LocalLimiter::new();
    limiter::contract(&local, &local).await;
}
