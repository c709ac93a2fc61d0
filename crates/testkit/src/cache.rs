//! Contract of every cache. The suite takes two handles on one cache; the second may belong to another process. Each
//! case uses its own tenants.

use std::{sync::Arc, time::Duration};
use tenantry_cache::{Cache, CacheKey, Lookup, Prefix, Stamp, Use};
use tenantry_kernel::TenantId;

use crate::context;

const COUNTS: Use = Use { name: "contract-counts", version: 1, ttl: Duration::from_secs(60) };
const NEWER_COUNTS: Use = Use { name: "contract-counts", version: 2, ttl: Duration::from_secs(60) };
const SLUGS: Use = Use { name: "contract-slugs", version: 1, ttl: Duration::from_secs(60) };
const BRIEF: Use = Use { name: "contract-brief", version: 1, ttl: Duration::from_millis(150) };

suite! {
    cache(handles: [Arc<dyn Cache>; 2]) calls (&*handles[0], &*handles[1]) {
        what_is_set_is_found_by_all,
        keys_are_apart,
        a_value_ends_with_its_time,
        one_deletion_is_of_one_value,
        a_deleted_prefix_takes_all_of_a_tenant_and_nothing_else,
        what_was_read_before_a_deletion_is_not_kept,
    }
}

fn tenant() -> TenantId {
    TenantId::new(&context::real())
}

fn key(usage: &'static Use, tenant: TenantId, parts: &[&str]) -> CacheKey {
    Prefix::new(usage, tenant).key(parts.iter().copied())
}

async fn miss(cache: &dyn Cache, key: &CacheKey) -> Stamp {
    match cache.get(key).await.unwrap() {
        Lookup::Miss(stamp) => stamp,
        Lookup::Hit(value) => panic!("{key} is {value:?} and should not be there"),
    }
}

async fn put(cache: &dyn Cache, key: &CacheKey, value: &[u8]) {
    let stamp = miss(cache, key).await;
    cache.set(key, &stamp, value).await.unwrap();
}

async fn is(cache: &dyn Cache, key: &CacheKey, value: &[u8]) {
    assert_eq!(cache.get(key).await, Ok(Lookup::Hit(value.to_vec())), "{key}");
}

async fn what_is_set_is_found_by_all(one: &dyn Cache, other: &dyn Cache) {
    let tenant = tenant();
    let every_byte: Vec<u8> = (0..=255).collect();
    for (name, value) in [("empty", &b""[..]), ("spaces", b" a b "), ("tombstone", b"x 1"), ("bytes", &every_byte)] {
        let key = key(&COUNTS, tenant, &[name]);
        put(one, &key, value).await;
        is(one, &key, value).await;
        is(other, &key, value).await;
    }
}

async fn keys_are_apart(cache: &dyn Cache, _: &dyn Cache) {
    let (acme, other) = (tenant(), tenant());
    put(cache, &key(&COUNTS, acme, &["a", "b"]), b"1").await;
    for apart in [
        key(&COUNTS, acme, &["a:b"]),
        key(&COUNTS, acme, &["a"]),
        key(&COUNTS, acme, &["a", "b", ""]),
        key(&COUNTS, other, &["a", "b"]),
        key(&NEWER_COUNTS, acme, &["a", "b"]),
        key(&SLUGS, acme, &["a", "b"]),
    ] {
        miss(cache, &apart).await;
    }
}

async fn a_value_ends_with_its_time(one: &dyn Cache, other: &dyn Cache) {
    let tenant = tenant();
    let key = key(&BRIEF, tenant, &["a"]);
    let stamp = miss(one, &key).await;
    tokio::time::sleep(BRIEF.ttl * 2).await;
    one.set(&key, &stamp, b"late").await.unwrap();
    for cache in [one, other] {
        miss(cache, &key).await;
    }
    put(one, &key, b"in time").await;
    tokio::time::sleep(BRIEF.ttl * 2).await;
    for cache in [one, other] {
        miss(cache, &key).await;
    }
}

async fn one_deletion_is_of_one_value(one: &dyn Cache, other: &dyn Cache) {
    let tenant = tenant();
    let (gone, stays) = (key(&COUNTS, tenant, &["gone"]), key(&COUNTS, tenant, &["stays"]));
    put(one, &gone, b"1").await;
    put(one, &stays, b"2").await;
    other.delete(&gone).await.unwrap();
    miss(one, &gone).await;
    is(one, &stays, b"2").await;
    put(one, &gone, b"3").await;
    is(other, &gone, b"3").await;
    one.delete(&key(&COUNTS, tenant, &["never there"])).await.unwrap();
}

async fn a_deleted_prefix_takes_all_of_a_tenant_and_nothing_else(one: &dyn Cache, other: &dyn Cache) {
    let (acme, globex) = (tenant(), tenant());
    let parts: [&[&str]; 3] = [&["a"], &["b", "c"], &[]];
    for parts in parts {
        for key in [key(&COUNTS, acme, parts), key(&COUNTS, globex, parts), key(&SLUGS, acme, parts)] {
            put(one, &key, b"1").await;
        }
    }
    other.delete_prefix(&Prefix::new(&COUNTS, acme)).await.unwrap();
    for parts in parts {
        miss(one, &key(&COUNTS, acme, parts)).await;
        is(one, &key(&COUNTS, globex, parts), b"1").await;
        is(one, &key(&SLUGS, acme, parts), b"1").await;
    }
    put(one, &key(&COUNTS, acme, &["a"]), b"2").await;
    is(other, &key(&COUNTS, acme, &["a"]), b"2").await;
}

async fn what_was_read_before_a_deletion_is_not_kept(one: &dyn Cache, other: &dyn Cache) {
    let tenant = tenant();
    let key = key(&COUNTS, tenant, &["a"]);
    let before = miss(one, &key).await;
    other.delete_prefix(key.prefix()).await.unwrap();
    one.set(&key, &before, b"old").await.unwrap();
    miss(one, &key).await;
    miss(other, &key).await;

    let before = miss(one, &key).await;
    other.delete(&key).await.unwrap();
    one.set(&key, &before, b"old").await.unwrap();
    miss(one, &key).await;
    put(other, &key, b"new").await;
    is(one, &key, b"new").await;
}
