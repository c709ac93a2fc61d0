//! Remembering what was read, shared by processes or not.

use async_trait::async_trait;

use crate::{Key, Prefix};

/// A place where values are remembered for as long as their [`Use`](crate::Use) says.
///
/// What it promises, whatever fails or comes late:
///
/// - no value is given out that is older than its use allows, counted from the [`Lookup::Miss`] that preceded its reading;
/// - once [`Cache::delete`] or [`Cache::delete_prefix`] has returned `Ok`, nobody is given a value that was there before,
///   or that was read after a miss before it. After `Err` the caller's process is not given one either.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The value, or leave to store one that is read from now on.
    async fn get(&self, key: &Key) -> Result<Lookup, CacheError>;

    /// Remembers a value that was read after the miss that gave the stamp. Values read before a deletion are not kept.
    async fn set(&self, key: &Key, stamp: &Stamp, value: &[u8]) -> Result<(), CacheError>;

    /// Forgets one value.
    async fn delete(&self, key: &Key) -> Result<(), CacheError>;

    /// Forgets every value of a tenant in one use.
    async fn delete_prefix(&self, prefix: &Prefix) -> Result<(), CacheError>;
}

/// What a look into the cache found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The value.
    Hit(Vec<u8>),
    /// Nothing; the stamp goes with the value that is read now.
    Miss(Stamp),
}

/// The state of the cache at a miss, in the adapter's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(pub String);

/// Why the cache gave nothing. It fails no request: the caller reads what it wants to know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// It was not asked, because it does not answer of late.
    #[error("the cache is by-passed")]
    Bypassed,
    /// It was asked and did not answer well, or not in time.
    #[error("the cache failed: {0}")]
    Failed(String),
}
