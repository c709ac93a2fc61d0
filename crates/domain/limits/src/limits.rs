//! Decides about requests: by the shared counter, or by this process's own while the shared one is lost.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
};
use tenantry_kernel::Timestamp;

use crate::{
    Consumed, Consumption, Limiter, LimiterError, LocalFallback, Policies, RateLimitDecision, RateLimitStatus,
};

/// The counter that decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedBy {
    /// The counter shared by all processes.
    Shared,
    /// The counter of this process.
    LocalFallback,
    /// Both counters, because the shared one has recently lost its memory.
    Both,
}

/// The rate limits of one process.
///
/// The local counter counts every request with the number of live processes as its weight. So each process admits its
/// share of a limit, and all processes together admit the limit. The shared counter decides while it answers. As soon
/// as it does not, the local counter decides, which knows the requests that this process admitted before.
///
/// The local counter does not know what other processes admitted. Therefore a request weighs double in the first window
/// of an outage: each process then admits its share once, half at once and half in the course of the window; otherwise
/// it would admit the share at once and again in the course of the window. Together with what was admitted before, that
/// is at most twice the limit. The same holds for a window after the shared counter lost its memory, during which both
/// counters must admit a request.
pub struct Limits {
    policies: Policies,
    shared: Option<Arc<dyn Limiter>>,
    local_fallback: Arc<dyn LocalFallback>,
    processes: AtomicU32,
    outage: Outage,
}

/// An outage, in wall-clock milliseconds. It continues while less than a window lies between two of its signs.
#[derive(Debug)]
struct Outage {
    began: AtomicI64,
    last_seen: AtomicI64,
}

const WINDOW_MS: i64 = Policies::WINDOW.as_secs() as i64 * 1_000;
/// Longer ago than any window.
const NEVER: i64 = i64::MIN / 2;

impl Outage {
    const fn none() -> Self {
        Self { began: AtomicI64::new(NEVER), last_seen: AtomicI64::new(NEVER) }
    }

    /// Records a sign of the outage and returns whether the outage is in its first window.
    fn is_young(&self, now: Timestamp) -> bool {
        let (now, window) = (now.unix_millis(), WINDOW_MS);
        let last_seen = self.last_seen.swap(now, Ordering::AcqRel);
        if now - last_seen > window {
            self.began.store(now, Ordering::Release);
        }
        now - self.began.load(Ordering::Acquire) < window
    }
}

impl Limits {
    /// Creates the limits of this process, with or without a shared counter.
    pub fn new(policies: Policies, shared: Option<Arc<dyn Limiter>>, local_fallback: Arc<dyn LocalFallback>) -> Self {
        Self { policies, shared, local_fallback, processes: AtomicU32::new(1), outage: Outage::none() }
    }

    /// Returns the configured policies.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Sets the number of live processes, including this one.
    pub fn divide_by(&self, processes: NonZeroU32) {
        self.processes.store(processes.get(), Ordering::Release);
    }

    /// Returns the number of processes that share a limit while each counts on its own.
    pub fn processes(&self) -> NonZeroU32 {
        NonZeroU32::new(self.processes.load(Ordering::Acquire)).unwrap_or(NonZeroU32::MIN)
    }

    /// Forgets callers that have their whole quota again.
    pub fn forget_idle(&self) {
        self.local_fallback.forget_idle();
    }

    /// Counts a request and decides about it. The error, if any, is that of the shared counter, for the log.
    pub async fn consume(
        &self,
        consumptions: Vec<Consumption>,
        now: Timestamp,
    ) -> (RateLimitDecision, Option<LimiterError>) {
        let share = self.processes();
        let Some(shared) = &self.shared else {
            let consumed = self.local_fallback.consume(&consumptions, share);
            return (RateLimitDecision::new(consumptions, consumed, share, DecidedBy::LocalFallback), None);
        };
        match shared.consume(&consumptions, NonZeroU32::MIN).await {
            Ok(consumed) if consumed.has_forgotten => {
                let weight = self.weight(share, now);
                let both = stricter(&consumed, &self.local_fallback.consume(&consumptions, weight));
                (RateLimitDecision::new(consumptions, both, weight, DecidedBy::Both), None)
            }
            Ok(consumed) => {
                if consumed.is_admitted() {
                    // Only its count matters here, not its decision.
                    self.local_fallback.consume(&consumptions, share);
                }
                (RateLimitDecision::new(consumptions, consumed, NonZeroU32::MIN, DecidedBy::Shared), None)
            }
            Err(error) => {
                let weight = self.weight(share, now);
                let consumed = self.local_fallback.consume(&consumptions, weight);
                (RateLimitDecision::new(consumptions, consumed, weight, DecidedBy::LocalFallback), Some(error))
            }
        }
    }

    /// Returns the weight of a request during an outage.
    fn weight(&self, share: NonZeroU32, now: Timestamp) -> NonZeroU32 {
        if self.outage.is_young(now) { share.saturating_mul(DOUBLE) } else { share }
    }
}

const DOUBLE: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

/// Combines two results for the same consumptions: for each policy, the stricter one.
fn stricter(one: &Consumed, other: &Consumed) -> Consumed {
    let pairs = one.statuses.iter().zip(&other.statuses);
    let statuses = pairs.map(|(one, other)| RateLimitStatus {
        remaining: one.remaining.min(other.remaining),
        wait: one.wait.max(other.wait),
    });
    Consumed { statuses: statuses.collect(), has_forgotten: true }
}
