//! The contract suites, within one process.

use tenantry_local::{LocalCache, LocalHub, LocalWakeUp};
use tenantry_testkit::{cache, invalidation, wake_up};

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
