//! The port of a cache, shared between processes or not.

use async_trait::async_trait;

use crate::{CacheKey, Prefix};

/// Port: keeps values for as long as their [`Use`](crate::Use) allows.
///
/// Guarantees, also under failures and late messages:
///
/// - A returned value is never older than its use allows, counted from the [`Lookup::Miss`] that preceded its reading.
/// - After [`Cache::delete`] or [`Cache::delete_prefix`] has returned `Ok`, no caller gets a value that was stored
///   before, or that was read after an earlier miss. After `Err`, this holds for the callers of this process.
#[async_trait]
pub trait Cache: Send + Sync {
    /// Returns the value, or a stamp that allows storing a value that is read from now on.
    async fn get(&self, key: &CacheKey) -> Result<Lookup, CacheError>;

    /// Stores a value that was read after the miss that returned the stamp. A value read before a deletion is not
    /// stored.
    async fn set(&self, key: &CacheKey, stamp: &Stamp, value: &[u8]) -> Result<(), CacheError>;

    /// Deletes one value.
    async fn delete(&self, key: &CacheKey) -> Result<(), CacheError>;

    /// Deletes every value of a tenant in one use.
    async fn delete_prefix(&self, prefix: &Prefix) -> Result<(), CacheError>;
}

/// Result of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The value.
    Hit(Vec<u8>),
    /// No value; pass the stamp with the value that is read now.
    Miss(Stamp),
}

/// State of the cache at a miss, in the adapter's own encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(pub String);

/// Reasons why the cache returned no value. They fail no request: the caller reads from the source instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// The cache was not asked, because it has recently failed to answer.
    #[error("the cache is bypassed")]
    Bypassed,
    /// The cache returned an error or no answer in time.
    #[error("the cache failed: {0}")]
    Failed(String),
}
