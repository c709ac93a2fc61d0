//! A cache that processes share.

use async_trait::async_trait;
use tenantry_cache::{Cache, CacheError, CacheKey, Lookup, Prefix, Stamp};

use crate::connection::{Redis, Shared};

/// Reads epoch, version and value; creates epoch and version if they are missing. Keys: epoch, version, value.
/// Arguments: a new token, the lifetime of a version in milliseconds.
const FIND: &str = "\
    local epoch = redis.call('GET', KEYS[1]) \
    if not epoch then epoch = ARGV[1]; redis.call('SET', KEYS[1], epoch) end \
    local version = redis.call('GET', KEYS[2]) \
    if not version then version = ARGV[1]; redis.call('SET', KEYS[2], version, 'PX', ARGV[2]) end \
    return {epoch, version, redis.call('GET', KEYS[3]) or ''}";

/// Stores a value unless the key was deleted since the miss. Key: value. Arguments: the tombstone seen at the miss, the
/// value, its lifetime in milliseconds.
const STORE: &str = "\
    local there = redis.call('GET', KEYS[1]) \
    if there and string.sub(there, 1, 2) == 'x ' and there ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) \
    return 1";

/// Lifetime of a version. A lost version causes misses only.
const VERSION_LIFE_MS: u64 = 60 * 60 * 1000;
/// Separates the parts of a stamp and precedes a value; no part contains it.
const SEPARATOR: char = ' ';
/// Prefix of a tombstone.
const DELETED: &str = "x ";

/// A cache in Redis.
#[derive(Clone)]
pub struct RedisCache(Redis);

impl RedisCache {
    /// Creates the cache of a Redis server.
    pub fn new(redis: &Redis) -> Self {
        Self(redis.clone())
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &CacheKey) -> Result<Lookup, CacheError> {
        if self.0.is_bypassed() {
            return Err(CacheError::Bypassed);
        }
        let (shared, key) = (self.0.shared(), key.clone());
        self.0.on_thread(async move { find(&shared, &key).await }).await
    }

    async fn set(&self, key: &CacheKey, stamp: &Stamp, value: &[u8]) -> Result<(), CacheError> {
        if self.0.is_bypassed() {
            return Err(CacheError::Bypassed);
        }
        let (head, tombstone) =
            stamp.0.split_once('|').ok_or_else(|| CacheError::Failed("the stamp is another cache's".to_owned()))?;
        let stored = [head.as_bytes(), b" ", value].concat();
        let life = u64::try_from(key.prefix().usage().ttl.as_millis()).unwrap_or(u64::MAX);
        let (shared, name, tombstone) = (self.0.shared(), of_value(key), tombstone.to_owned());
        let set = async move {
            shared
                .command(async |connection| {
                    let mut command = redis::cmd("EVAL");
                    command.arg(STORE).arg(1).arg(&name).arg(&tombstone).arg(&stored).arg(life);
                    command.query_async::<()>(connection).await
                })
                .await
        };
        self.0.on_thread(set).await
    }

    async fn delete(&self, key: &CacheKey) -> Result<(), CacheError> {
        let shared = self.0.shared();
        let (name, tombstone) = (of_value(key), format!("{DELETED}{}", shared.token()));
        self.0.put(name, tombstone).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<(), CacheError> {
        let token = self.0.shared().token();
        self.0.put(of_version(prefix), token).await
    }
}

impl Redis {
    /// Writes a token that invalidates values. If the write is not known to have succeeded, the breaker is open on
    /// return.
    async fn put(&self, name: String, token: String) -> Result<(), CacheError> {
        let shared = self.shared();
        let put = async move {
            shared
                .deletion(async |connection| {
                    let mut command = redis::cmd("SET");
                    command.arg(&name).arg(&token).arg("PX").arg(VERSION_LIFE_MS);
                    command.query_async::<()>(connection).await
                })
                .await
        };
        let outcome = self.on_thread(put).await;
        if outcome.is_err() {
            self.shared().breaker.could_not_tell();
        }
        outcome
    }
}

async fn find(shared: &Shared, key: &CacheKey) -> Result<Lookup, CacheError> {
    let now = shared.context.now().unix_millis();
    let names = [Redis::EPOCH.to_owned(), of_version(key.prefix()), of_value(key)];
    let token = shared.token();
    let found = shared.command(async |connection| {
        let mut command = redis::cmd("EVAL");
        command.arg(FIND).arg(names.len()).arg(&names).arg(&token).arg(VERSION_LIFE_MS);
        command.query_async::<(String, String, Vec<u8>)>(connection).await
    });
    let (epoch, version, stored) = found.await?;
    let ttl = i64::try_from(key.prefix().usage().ttl.as_millis()).unwrap_or(i64::MAX);
    if let Some(value) = value_of(&stored, &epoch, &version, |missed_at| now.saturating_sub(missed_at).abs() < ttl) {
        return Ok(Lookup::Hit(value.to_vec()));
    }
    let tombstone = std::str::from_utf8(&stored).ok().filter(|text| text.starts_with(DELETED)).unwrap_or_default();
    Ok(Lookup::Miss(Stamp(format!("{epoch}{SEPARATOR}{version}{SEPARATOR}{now}|{tombstone}"))))
}

/// Returns the value if it was stored under this epoch and version, at a time that `is_good` accepts.
fn value_of<'a>(stored: &'a [u8], epoch: &str, version: &str, is_good: impl FnOnce(i64) -> bool) -> Option<&'a [u8]> {
    let mut parts = stored.splitn(4, |byte| *byte == SEPARATOR as u8);
    let fits = parts.next()? == epoch.as_bytes() && parts.next()? == version.as_bytes();
    let missed_at: i64 = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let value = parts.next()?;
    (fits && is_good(missed_at)).then_some(value)
}

fn of_value(key: &CacheKey) -> String {
    format!("tenantry:cache:{key}")
}

fn of_version(prefix: &Prefix) -> String {
    format!("tenantry:version:{}", prefix.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_under_its_own_epoch_and_version_and_age() {
        let stored = b"e v 100 some thing";
        assert_eq!(value_of(stored, "e", "v", |at| at == 100), Some(&b"some thing"[..]));
        assert_eq!(value_of(stored, "f", "v", |_| true), None);
        assert_eq!(value_of(stored, "e", "w", |_| true), None);
        assert_eq!(value_of(stored, "e", "v", |_| false), None);
        for broken in [&b""[..], b"e", b"e v", b"e v 100", b"e v x y", b"x 0123"] {
            assert_eq!(value_of(broken, "e", "v", |_| true), None);
        }
        assert_eq!(value_of(b"e v 100 ", "e", "v", |_| true), Some(&b""[..]));
    }
}
