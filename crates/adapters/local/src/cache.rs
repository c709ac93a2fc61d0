//! A cache in the memory of one process.

use async_trait::async_trait;
use moka::sync::Cache as Memory;
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tenantry_cache::{Cache, CacheError, CacheKey, Lookup, Prefix, Stamp};

/// A cache of one process, bounded in size.
///
/// A deletion increments a generation. A value is valid only while the generations equal those of the miss before it
/// was read. Keys share generations by hash: a deletion may invalidate unrelated values, but never misses one.
#[derive(Debug)]
pub struct LocalCache {
    values: Memory<String, Arc<Value>>,
    generations: Box<[AtomicU64]>,
    hasher: RandomState,
    started: Instant,
}

#[derive(Debug)]
struct Value {
    stamp: String,
    missed_at: Duration,
    bytes: Vec<u8>,
}

impl LocalCache {
    const MAX_BYTES: u64 = 32 << 20;
    const GENERATIONS: usize = 1 << 12;
    /// No use keeps a value longer than this.
    const LONGEST: Duration = Duration::from_secs(60 * 60);

    /// Creates an empty cache.
    pub fn new() -> Self {
        let weigh = |key: &String, value: &Arc<Value>| {
            u32::try_from(key.len() + value.bytes.len() + value.stamp.len()).unwrap_or(u32::MAX)
        };
        Self {
            values: Memory::builder().max_capacity(Self::MAX_BYTES).weigher(weigh).time_to_live(Self::LONGEST).build(),
            generations: (0..Self::GENERATIONS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            started: Instant::now(),
        }
    }

    fn generation(&self, text: &str) -> &AtomicU64 {
        &self.generations[self.hasher.hash_one(text) as usize % Self::GENERATIONS]
    }

    fn generations_of(&self, key: &CacheKey) -> String {
        let now = |text| self.generation(text).load(Ordering::Acquire);
        format!("{} {}", now(key.prefix().as_str()), now(key.as_str()))
    }
}

impl Default for LocalCache {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Cache for LocalCache {
    async fn get(&self, key: &CacheKey) -> Result<Lookup, CacheError> {
        let (generations, now) = (self.generations_of(key), self.started.elapsed());
        if let Some(value) = self.values.get(key.as_str())
            && value.stamp == generations
            && now.saturating_sub(value.missed_at) < key.prefix().usage().ttl
        {
            return Ok(Lookup::Hit(value.bytes.clone()));
        }
        Ok(Lookup::Miss(Stamp(format!("{} {generations}", now.as_millis()))))
    }

    async fn set(&self, key: &CacheKey, stamp: &Stamp, value: &[u8]) -> Result<(), CacheError> {
        let not_ours = || CacheError::Failed("the stamp is another cache's".to_owned());
        let (missed_at, generations) = stamp.0.split_once(' ').ok_or_else(not_ours)?;
        let missed_at = Duration::from_millis(missed_at.parse().map_err(|_| not_ours())?);
        if generations == self.generations_of(key) {
            let value = Value { stamp: generations.to_owned(), missed_at, bytes: value.to_vec() };
            self.values.insert(key.as_str().to_owned(), Arc::new(value));
        }
        Ok(())
    }

    async fn delete(&self, key: &CacheKey) -> Result<(), CacheError> {
        self.generation(key.as_str()).fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<(), CacheError> {
        self.generation(prefix.as_str()).fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}
