//! Cache, rate limiter, invalidation and wake-up that processes share over Redis.
//!
//! deadpool-redis sends commands, fred receives messages. Both run on a dedicated thread, so that a busy server does
//! not make Redis look slow, and a slow Redis does not block the server. Every command has a time limit. After a few
//! failures a circuit breaker opens: no command is sent until a background probe finds Redis healthy.
//!
//! **No stale value survives an outage.** Three mechanisms ensure this; the first alone is sufficient:
//!
//! 1. A value carries the time of the miss before it was read, and a reader ignores a value older than its use allows.
//!    The expiry in Redis is not relied on: a write that waited in the socket of a frozen server would start its
//!    lifetime there anew. Clocks of processes may differ; the difference adds to the age.
//! 2. A value carries the version of its tenant's values at that miss. A deletion writes a new random version. An
//!    evicted or lost version is also replaced by a random one, so no old value ever matches again.
//! 3. A value carries the epoch of the whole cache. A process that could not publish a deletion, or whose breaker was
//!    open for another reason, writes a new random epoch before it uses the cache again.

mod breaker;
mod cache;
mod connection;
mod limiter;
mod messages;
mod subscriber;

pub use cache::RedisCache;
pub use connection::{Redis, RedisTimeouts, RedisUrlError};
pub use limiter::{RedisLimiter, limiter_command};
pub use messages::{RedisInvalidation, RedisWakeUp};
