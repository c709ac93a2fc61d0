//! Cache, rate limiter, invalidation and wake-up within one process, used when `REDIS_URL` is not set.

mod cache;
mod invalidation;
mod limiter;
mod wake_up;

pub use cache::LocalCache;
pub use invalidation::{LocalHub, LocalInvalidation};
pub use limiter::LocalLimiter;
pub use wake_up::LocalWakeUp;
