//! Freezes Redis, kills it and cuts it off from one of two processes: no caller waits for it, and no stale value
//! survives.

use std::time::{Duration, Instant};
use tenantry_cache::{Cache, CacheError, CacheKey, InvalidatedSessions, Invalidation, Lookup, Prefix, Stamp, Use};
use tenantry_kernel::{TenantId, UserId};
use tenantry_redis::{Redis, RedisCache, RedisInvalidation, RedisTimeouts};
use tenantry_testkit::{context, redis::RedisServer};
use tokio::time::timeout;

/// Long, so that no value expires by age in these tests.
const COUNTS: Use = Use { name: "outage-counts", version: 1, ttl: Duration::from_secs(600) };
/// The longest wait of a caller, with an allowance for a busy machine.
const WAITED: Duration = Duration::from_millis(150);
const RECOVERY: Duration = Duration::from_secs(20);

fn open(server: &RedisServer) -> Redis {
    Redis::open(server.url().into(), RedisTimeouts::default(), context::real()).expect("a thread")
}

fn a_key() -> CacheKey {
    Prefix::new(&COUNTS, TenantId::new(&context::real())).key(["a"])
}

async fn missed(cache: &RedisCache, key: &CacheKey) -> Stamp {
    match cache.get(key).await {
        Ok(Lookup::Miss(stamp)) => stamp,
        other => panic!("expected a miss: {other:?}"),
    }
}

async fn well(redis: &Redis, cache: &RedisCache) {
    let well = async {
        while redis.is_bypassed() || cache.get(&a_key()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(RECOVERY, well).await.expect("it recovers by itself");
}

async fn opens(redis: &Redis) {
    let opens = async {
        while !redis.is_bypassed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(RECOVERY, opens).await.expect("the breaker opens");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fa3_nobody_waits_for_a_frozen_redis_and_it_recovers() {
    let server = RedisServer::start();
    let redis = open(&server);
    let cache = RedisCache::new(&redis);
    well(&redis, &cache).await;
    server.freeze();
    let (mut asked, mut longest) = (0, Duration::ZERO);
    let frozen = Instant::now();
    while frozen.elapsed() < Duration::from_secs(2) {
        let began = Instant::now();
        let outcome = cache.get(&a_key()).await;
        longest = longest.max(began.elapsed());
        assert!(outcome.is_err(), "{outcome:?}");
        asked += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(longest < WAITED, "a request waited {longest:?}");
    assert!(asked > 100, "most did not wait at all: {asked}");
    assert_eq!(cache.get(&a_key()).await, Err(CacheError::Bypassed));
    server.thaw();
    well(&redis, &cache).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fa3_an_idle_process_notices_a_frozen_redis() {
    let server = RedisServer::start();
    let redis = open(&server);
    well(&redis, &RedisCache::new(&redis)).await;
    server.freeze();
    opens(&redis).await;
    server.thaw();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fa3_a_redis_that_comes_late_and_empty_is_used() {
    let mut server = RedisServer::start();
    server.kill();
    let redis = open(&server);
    let cache = RedisCache::new(&redis);
    opens(&redis).await;
    server.restart();
    well(&redis, &cache).await;
    let key = a_key();
    let stamp = missed(&cache, &key).await;
    cache.set(&key, &stamp, b"1").await.expect("stored");
    server.kill();
    opens(&redis).await;
    server.restart();
    well(&redis, &cache).await;
    missed(&cache, &key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fa3_what_a_thawed_redis_still_holds_is_not_used_after_a_deletion_that_did_not_reach_it() {
    let server = RedisServer::start();
    let (one, other) = (open(&server), open(&server));
    let (cache, others) = (RedisCache::new(&one), RedisCache::new(&other));
    well(&one, &cache).await;
    well(&other, &others).await;
    let key = a_key();
    let stamp = missed(&cache, &key).await;
    cache.set(&key, &stamp, b"old").await.expect("stored");
    assert_eq!(others.get(&key).await, Ok(Lookup::Hit(b"old".to_vec())));
    server.freeze();
    cache.delete_prefix(key.prefix()).await.expect_err("it is frozen");
    assert!(one.is_bypassed(), "one failed deletion is enough");
    server.thaw();
    well(&one, &cache).await;
    missed(&cache, &key).await;
    well(&other, &others).await;
    missed(&others, &key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fa3_a_write_that_a_frozen_redis_does_late_gives_no_value() {
    let server = RedisServer::start();
    let redis = open(&server);
    let cache = RedisCache::new(&redis);
    well(&redis, &cache).await;
    let key = a_key();
    let stamp = missed(&cache, &key).await;
    server.freeze();
    // The command waits in the server's socket and runs after the thaw.
    cache.set(&key, &stamp, b"old").await.expect_err("it is frozen");
    opens(&redis).await;
    server.thaw();
    well(&redis, &cache).await;
    missed(&cache, &key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fa3_an_evicted_version_or_epoch_brings_no_old_value_back() {
    let server = RedisServer::start();
    let redis = open(&server);
    let cache = RedisCache::new(&redis);
    well(&redis, &cache).await;
    let key = a_key();
    for evicted in [format!("tenantry:version:{}", key.prefix().as_str()), "tenantry:epoch".to_owned()] {
        let stamp = missed(&cache, &key).await;
        cache.set(&key, &stamp, b"old").await.expect("stored");
        assert_eq!(cache.get(&key).await, Ok(Lookup::Hit(b"old".to_vec())));
        assert_eq!(server.ask(&format!("DEL {evicted}")).trim(), ":1");
        missed(&cache, &key).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fa3_messages_are_heard_again_after_a_freeze_and_a_restart() {
    let mut server = RedisServer::start();
    let (one, other) = (open(&server), open(&server));
    let (sender, receiver) = (RedisInvalidation::new(&one), RedisInvalidation::new(&other));
    hears(&sender, &receiver).await;
    server.freeze();
    opens(&other).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.thaw();
    hears(&sender, &receiver).await;
    server.kill();
    opens(&other).await;
    server.restart();
    hears(&sender, &receiver).await;
}

async fn hears(sender: &RedisInvalidation, receiver: &RedisInvalidation) {
    let change = InvalidatedSessions::User(UserId::new(&context::real()));
    let heard = async {
        loop {
            sender.publish(&[change]);
            if let Ok(heard) = timeout(Duration::from_millis(200), receiver.received()).await
                && heard.contains(&change)
            {
                return;
            }
        }
    };
    timeout(RECOVERY, heard).await.expect("the message is received");
}
