//! Caching of values for a limited time, and messages about changes between processes.
//!
//! Only the database is authoritative. A failure here costs time, never a correct answer.

mod cache;
mod invalidation;
mod key;

pub use cache::{Cache, CacheError, Lookup, Stamp};
pub use invalidation::{InvalidatedSessions, Invalidation, UnknownInvalidation};
pub use key::{CacheKey, Prefix, Use};
