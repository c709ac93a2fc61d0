//! Counts the requests of all processes together.

use async_trait::async_trait;
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tenantry_cache::CacheError;
use tenantry_limits::{Consumed, Consumption, Limiter, LimiterError, RateLimitStatus};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::connection::{Redis, Shared};

/// Applies GCRA by the server's clock to the consumptions of one request after another. For each request it takes the
/// keys in turn, until one refuses. Keys: the time since which the server has kept its memory, then each key that a
/// consumption names, once. Arguments: for each request the number of its consumptions, then for each of them the place
/// of its key, the window, and the time that the request takes of it, in microseconds.
///
/// A key holds the time at which the whole quota is available again and expires at that time. A time further ahead than
/// the window, caused by a clock that was set back, counts as one window ahead. All numbers are whole and below 2^53.
/// However many requests name a key, it is read and written once.
///
/// Returns the time since which the server has kept its memory, the current time, and for each consumption the free part
/// of the window after it and the wait of a refused request, or -1. The free part of a consumption that was not asked
/// for, because one before it refused the request, is -1.
const CONSUME: &str = "\
    local time = redis.call('TIME') \
    local now = time[1] * 1000000 + time[2] \
    local since = redis.call('GET', KEYS[1]) \
    if not since then since = string.format('%.0f', now); redis.call('SET', KEYS[1], since) end \
    local answer = {since, string.format('%.0f', now)} \
    local known, changed, argument = {}, {}, 1 \
    while argument <= #ARGV do \
        local last, refused = argument + 3 * ARGV[argument], false \
        for part = argument + 1, last, 3 do \
            local place, window, step = tonumber(ARGV[part]), tonumber(ARGV[part + 1]), tonumber(ARGV[part + 2]) \
            local free, wait = -1, -1 \
            if not refused then \
                local full = known[place] or tonumber(redis.call('GET', KEYS[place]) or now) \
                known[place] = full \
                full = math.min(math.max(full, now), now + window) + step \
                free = now + window - full \
                if free < 0 then free, wait, refused = 0, -free, true \
                else known[place], changed[place] = full, true end \
            end \
            answer[#answer + 1] = free; answer[#answer + 1] = wait \
        end \
        argument = last + 1 \
    end \
    for place in pairs(changed) do \
        local full = known[place] \
        redis.call('SET', KEYS[place], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000)) \
    end \
    return answer";

/// Key of the time since which the server has kept its counters.
const SINCE: &str = "tenantry:limit:since";

/// A rate limiter in Redis. One script counts all requests that wait, in one round trip: those that arrive while a
/// round trip is under way share the next one.
///
/// Redis runs a script as a whole, so requests that share a round trip are counted as exactly as others.
pub struct RedisLimiter {
    redis: Redis,
    waiting: mpsc::UnboundedSender<Check>,
    /// The server's "memory since" value at the first contact.
    met: Mutex<Option<u64>>,
}

/// A request to count.
struct Check {
    keys: Vec<String>,
    /// For each key the window and the time that the request takes of it, in microseconds.
    steps: Vec<[u64; 2]>,
    answer: oneshot::Sender<Result<CheckAnswer, LimiterError>>,
}

struct CheckAnswer {
    since: u64,
    now: u64,
    /// For each key the free part of the window and the wait.
    parts: Vec<[i64; 2]>,
}

impl RedisLimiter {
    /// Creates the limiter of a Redis server.
    pub fn new(redis: &Redis) -> Self {
        let (waiting, checks) = mpsc::unbounded_channel();
        redis.spawn(send_checks(redis.shared(), checks));
        Self { redis: redis.clone(), waiting, met: Mutex::default() }
    }

    /// Returns whether the server has lost its counters since the first contact and less than a window ago.
    fn has_forgotten(&self, since: u64, now: u64, window: Duration) -> bool {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let first_met = *met.get_or_insert(since);
        since != first_met && u128::from(now.saturating_sub(since)) < window.as_micros()
    }

    /// Hands the request to the Redis thread, and waits little longer than the limit of a command.
    async fn ask(&self, consumptions: &[Consumption], weight: NonZeroU32) -> Result<CheckAnswer, LimiterError> {
        let failed = |why: &str| LimiterError::Failed(why.to_owned());
        let (answer, answered) = oneshot::channel();
        let check = Check { keys: keys(consumptions), steps: steps(consumptions, weight), answer };
        self.waiting.send(check).map_err(|_| failed("its thread has ended"))?;
        match timeout(self.redis.patience(), answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(failed("its thread has ended")),
            Err(_) => Err(failed("no answer in time")),
        }
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn consume(&self, consumptions: &[Consumption], weight: NonZeroU32) -> Result<Consumed, LimiterError> {
        if self.redis.is_bypassed() {
            return Err(LimiterError::Bypassed);
        }
        let CheckAnswer { since, now, parts } = self.ask(consumptions, weight).await?;
        let window = consumptions.iter().map(|consumption| consumption.quota.window).max().unwrap_or_default();
        let counted = parts.iter().zip(consumptions).filter_map(|([free, wait], consumption)| {
            let free = u64::try_from(*free).ok()?;
            Some(RateLimitStatus {
                remaining: u32::try_from(free / step_micros(consumption, weight)).unwrap_or(u32::MAX),
                wait: u64::try_from(*wait).ok().map(Duration::from_micros),
            })
        });
        Ok(Consumed { statuses: counted.collect(), has_forgotten: self.has_forgotten(since, now, window) })
    }
}

/// Sends the requests that wait, all in one round trip, as long as the limiter exists.
async fn send_checks(shared: Arc<Shared>, mut waiting: mpsc::UnboundedReceiver<Check>) {
    /// So many take Redis less than a millisecond, in which it does nothing else.
    const AT_ONCE: usize = 64;
    let mut checks = Vec::with_capacity(AT_ONCE);
    while waiting.recv_many(&mut checks, AT_ONCE).await > 0 {
        let command = command(checks.iter().map(|check| (check.keys.as_slice(), check.steps.as_slice())));
        let answers = match shared.command_in_line::<Vec<i64>>(&command).await {
            Ok(numbers) => read_answers(&numbers, &checks).ok_or_else(|| "it answers too little".to_owned()),
            Err(CacheError::Failed(why)) => Err(why),
            Err(CacheError::Bypassed) => {
                checks.drain(..).for_each(|check| tell(check, Err(LimiterError::Bypassed)));
                continue;
            }
        };
        match answers {
            Ok(answers) => checks.drain(..).zip(answers).for_each(|(check, answer)| tell(check, Ok(answer))),
            Err(why) => checks.drain(..).for_each(|check| tell(check, Err(LimiterError::Failed(why.clone())))),
        }
    }
}

/// Answers a request. A request that has given up waiting is counted all the same.
fn tell(check: Check, outcome: Result<CheckAnswer, LimiterError>) {
    let _ = check.answer.send(outcome);
}

/// Splits the answer of the script into the answers to the requests.
fn read_answers(numbers: &[i64], checks: &[Check]) -> Option<Vec<CheckAnswer>> {
    let (&[since, now], parts) = numbers.split_first_chunk()?;
    let (since, now) = (u64::try_from(since).unwrap_or(0), u64::try_from(now).unwrap_or(0));
    let (mut parts, []) = parts.as_chunks() else { return None };
    let mut answers = Vec::with_capacity(checks.len());
    for check in checks {
        let (own, rest) = parts.split_at_checked(check.keys.len())?;
        answers.push(CheckAnswer { since, now, parts: own.to_vec() });
        parts = rest;
    }
    Some(answers)
}

fn keys(consumptions: &[Consumption]) -> Vec<String> {
    let key = |Consumption { key, quota, .. }: &Consumption| {
        format!("tenantry:limit:{key}:{}/{}", quota.limit, quota.window.as_secs())
    };
    consumptions.iter().map(key).collect()
}

fn steps(consumptions: &[Consumption], weight: NonZeroU32) -> Vec<[u64; 2]> {
    let window = |consumption: &Consumption| u64::try_from(consumption.quota.window.as_micros()).unwrap_or(u64::MAX);
    consumptions.iter().map(|consumption| [window(consumption), step_micros(consumption, weight)]).collect()
}

/// Returns the microseconds that one request takes of the window, at least one.
fn step_micros(consumption: &Consumption, weight: NonZeroU32) -> u64 {
    u64::try_from(consumption.quota.step(weight).as_micros()).unwrap_or(u64::MAX).max(1)
}

/// Returns the command that counts a request: the script with its keys and arguments. Public so that a benchmark can
/// measure its bare cost.
pub fn limiter_command(consumptions: &[Consumption], weight: NonZeroU32) -> redis::Cmd {
    command(std::iter::once((keys(consumptions).as_slice(), steps(consumptions, weight).as_slice())))
}

/// Returns the command that counts these requests.
fn command<'a>(checks: impl Iterator<Item = (&'a [String], &'a [[u64; 2]])>) -> redis::Cmd {
    let mut keys = vec![SINCE];
    let mut places = HashMap::new();
    let mut numbers = Vec::new();
    for (names, steps) in checks {
        numbers.push(names.len() as u64);
        for (name, [window, step]) in names.iter().zip(steps) {
            let place = *places.entry(name.as_str()).or_insert_with(|| {
                keys.push(name);
                keys.len() as u64
            });
            numbers.extend([place, *window, *step]);
        }
    }
    let mut command = redis::cmd("EVAL");
    command.arg(CONSUME).arg(keys.len()).arg(keys).arg(numbers);
    command
}
