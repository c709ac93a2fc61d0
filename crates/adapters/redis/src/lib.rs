//! Cache, limiter, invalidation and wake-up shared by processes, over Redis.
//!
//! deadpool-redis sends commands, fred hears messages. All of it runs on a thread of its own, so that a busy server does not
//! make Redis look slow, nor the reverse. No command is waited for beyond a limit, and after a few failures a breaker
//! opens: then nothing is asked at all until a probe in the background has found Redis well.
//!
//! **Nothing stale survives an outage.** Three things see to it, the first of which alone is enough:
//!
//! 1. A value carries the time of the miss before it was read, and whoever finds it older than its use allows does not use
//!    it. Redis' own expiry is not relied on: a write that lay in a frozen server's socket would begin its life there anew.
//!    The clocks of the processes may differ; that adds to the age.
//! 2. A value carries the version of its tenant's values at that miss. A deletion puts a new random version in its place. An
//!    evicted or lost version is made anew, at random too, so that no old value ever fits again.
//! 3. A value carries the epoch of the whole cache. A process that could not tell of a deletion, or whose breaker was open
//!    for another reason, puts a new random epoch there before it uses the cache again.

mod breaker;
mod cache;
mod connection;
mod limiter;
mod messages;
mod subscriber;

pub use cache::RedisCache;
pub use connection::{Limits, Redis, RedisUrlError};
pub use limiter::{RedisLimiter, limiter_command};
pub use messages::{RedisInvalidation, RedisWakeUp};
