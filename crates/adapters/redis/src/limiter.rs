//! Counts the requests of all processes together.

use async_trait::async_trait;
use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tenantry_cache::CacheError;
use tenantry_limits::{Consumed, Consumption, Limiter, LimiterError, RateLimitStatus};

use crate::connection::Redis;

/// Applies GCRA to each key in turn, by the server's clock, until one refuses. Keys: the time since which the server
/// has kept its memory, then one key per consumption. Arguments: for each consumption the window and the time that this request
/// takes of it, in microseconds.
///
/// A key holds the time at which the whole quota is available again and expires at that time. A time further ahead than
/// the window, caused by a clock that was set back, counts as one window ahead. All numbers are whole and below 2^53.
///
/// Returns the time since which the server has kept its memory, the current time, and for each consumption the free part of
/// the window after it and the wait of a refused request, or -1.
const CONSUME: &str = "\
    local time = redis.call('TIME') \
    local now = time[1] * 1000000 + time[2] \
    local since = redis.call('GET', KEYS[1]) \
    if not since then since = string.format('%.0f', now); redis.call('SET', KEYS[1], since) end \
    local answer = {since, string.format('%.0f', now)} \
    for place = 2, #KEYS do \
        local window, step = tonumber(ARGV[2 * place - 3]), tonumber(ARGV[2 * place - 2]) \
        local full = tonumber(redis.call('GET', KEYS[place]) or now) \
        full = math.min(math.max(full, now), now + window) + step \
        local wait = full - now - window \
        if wait > 0 then answer[2 * place - 1] = 0; answer[2 * place] = wait; return answer end \
        redis.call('SET', KEYS[place], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000)) \
        answer[2 * place - 1] = -wait; answer[2 * place] = -1 \
    end \
    return answer";

/// Key of the time since which the server has kept its counters.
const SINCE: &str = "tenantry:limit:since";

/// A rate limiter in Redis: one script for all consumptions of a request, in one round trip.
///
/// All requests share one pipelined connection, so no command waits for the answer to another.
pub struct RedisLimiter {
    redis: Redis,
    /// The server's "memory since" value at the first contact.
    met: Mutex<Option<u64>>,
}

impl RedisLimiter {
    /// Creates the limiter of a Redis server.
    pub fn new(redis: &Redis) -> Self {
        Self { redis: redis.clone(), met: Mutex::default() }
    }

    /// Returns whether the server has lost its counters since the first contact and less than a window ago.
    fn has_forgotten(&self, since: u64, now: u64, window: Duration) -> bool {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let first_met = *met.get_or_insert(since);
        since != first_met && u128::from(now.saturating_sub(since)) < window.as_micros()
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn consume(&self, consumptions: &[Consumption], weight: NonZeroU32) -> Result<Consumed, LimiterError> {
        if self.redis.is_bypassed() {
            return Err(LimiterError::Bypassed);
        }
        let (shared, command) = (self.redis.shared(), limiter_command(consumptions, weight));
        let asked = self.redis.on_thread(async move { shared.command_in_line::<Vec<i64>>(&command).await }).await;
        let answer = asked.map_err(|error| match error {
            CacheError::Bypassed => LimiterError::Bypassed,
            CacheError::Failed(why) => LimiterError::Failed(why),
        })?;
        let too_little = || LimiterError::Failed("it answers too little".to_owned());
        let numbers: Vec<u64> = answer.iter().map(|number| u64::try_from(*number).unwrap_or(0)).collect();
        let (&[since, now], statuses) = numbers.split_first_chunk().ok_or_else(too_little)?;
        let window = consumptions.iter().map(|consumption| consumption.quota.window).max().unwrap_or_default();
        let statuses = statuses.chunks_exact(2).zip(answer[2..].chunks_exact(2)).zip(consumptions);
        let statuses = statuses.map(|((free, raw), consumption)| RateLimitStatus {
            remaining: u32::try_from(free[0] / step_micros(consumption, weight)).unwrap_or(u32::MAX),
            wait: (raw[1] >= 0).then(|| Duration::from_micros(free[1])),
        });
        Ok(Consumed { statuses: statuses.collect(), has_forgotten: self.has_forgotten(since, now, window) })
    }
}

/// Returns the microseconds that one request takes of the window, at least one.
fn step_micros(consumption: &Consumption, weight: NonZeroU32) -> u64 {
    u64::try_from(consumption.quota.step(weight).as_micros()).unwrap_or(u64::MAX).max(1)
}

/// Returns the command that counts a request: the script with its keys and arguments. Public so that a benchmark can
/// measure its bare cost.
pub fn limiter_command(consumptions: &[Consumption], weight: NonZeroU32) -> redis::Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(CONSUME).arg(consumptions.len() + 1).arg(SINCE);
    for Consumption { key, quota, .. } in consumptions {
        command.arg(format!("tenantry:limit:{key}:{}/{}", quota.limit, quota.window.as_secs()));
    }
    for consumption in consumptions {
        command.arg(consumption.quota.window.as_micros().to_string()).arg(step_micros(consumption, weight));
    }
    command
}
