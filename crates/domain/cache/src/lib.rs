//! What may be remembered for a while, and telling other processes what has changed.
//!
//! Nothing here is the truth: that is the database alone. Whatever fails costs time, never an answer.

mod cache;
mod invalidation;
mod key;

pub use cache::{Cache, CacheError, Lookup, Stamp};
pub use invalidation::{Change, Invalidation, UnknownChange};
pub use key::{Key, Prefix, Use};
