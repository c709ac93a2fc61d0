//! Who decides: what processes share, or each for itself while that is lost.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
};
use tenantry_kernel::Timestamp;

use crate::{Charge, Charged, Decision, Limiter, LimiterError, Policies, Standing, Twin};

/// Who has counted a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedBy {
    /// All processes together.
    Shared,
    /// This process for itself.
    Twin,
    /// Both, since what is shared has lost its memory of late.
    Both,
}

/// The limits as one process keeps them.
///
/// Every request is counted by the twin in this process, where it weighs as much as there are live processes: so each lets
/// through its share of a limit, and all together the limit. What processes share decides while it answers. From the first
/// moment that it does not, the twin decides, which knows what this process has let through before.
///
/// What other processes have let through it does not know. Therefore in the first window of an outage a request weighs
/// double: each process then lets through its share once, half of it at once and half in the course of the window, where
/// it would otherwise be the share at once and again the share in the course of it. Together with what was let through
/// before, that is twice the limit at most. The same holds for a window after what is shared has lost its memory, during
/// which both have to agree.
pub struct Limits {
    policies: Policies,
    shared: Option<Arc<dyn Limiter>>,
    twin: Arc<dyn Twin>,
    processes: AtomicU32,
    outage: Outage,
}

/// An outage, by wall-clock milliseconds; it goes on while less than a window lies between two of its signs.
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

    /// Notes that it goes on, and says whether it is in its first window.
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
    /// Limits that this process keeps, alone or with others by what they share.
    pub fn new(policies: Policies, shared: Option<Arc<dyn Limiter>>, twin: Arc<dyn Twin>) -> Self {
        Self { policies, shared, twin, processes: AtomicU32::new(1), outage: Outage::none() }
    }

    /// How many requests are allowed to whom.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Takes note of how many processes serve at present, this one included.
    pub fn divide_by(&self, processes: NonZeroU32) {
        self.processes.store(processes.get(), Ordering::Release);
    }

    /// By how many processes the limits are divided while each counts for itself.
    pub fn processes(&self) -> NonZeroU32 {
        NonZeroU32::new(self.processes.load(Ordering::Acquire)).unwrap_or(NonZeroU32::MIN)
    }

    /// Forgets whoever has their whole quota again.
    pub fn forget_idle(&self) {
        self.twin.forget_idle();
    }

    /// Counts a request and decides about it. The error, if there is one, is that of what is shared, for the log.
    pub async fn charge(&self, charges: Vec<Charge>, now: Timestamp) -> (Decision, Option<LimiterError>) {
        let share = self.processes();
        let Some(shared) = &self.shared else {
            let charged = self.twin.charge(&charges, share);
            return (Decision::new(charges, charged, share, DecidedBy::Twin), None);
        };
        match shared.charge(&charges, NonZeroU32::MIN).await {
            Ok(charged) if charged.has_forgotten => {
                let weight = self.weight(share, now);
                let both = stricter(&charged, &self.twin.charge(&charges, weight));
                (Decision::new(charges, both, weight, DecidedBy::Both), None)
            }
            Ok(charged) => {
                if charged.is_admitted() {
                    // Only what it knows is of interest, not what it would say.
                    self.twin.charge(&charges, share);
                }
                (Decision::new(charges, charged, NonZeroU32::MIN, DecidedBy::Shared), None)
            }
            Err(error) => {
                let weight = self.weight(share, now);
                let charged = self.twin.charge(&charges, weight);
                (Decision::new(charges, charged, weight, DecidedBy::Twin), Some(error))
            }
        }
    }

    /// What a request weighs in an outage.
    fn weight(&self, share: NonZeroU32, now: Timestamp) -> NonZeroU32 {
        if self.outage.is_young(now) { share.saturating_mul(DOUBLE) } else { share }
    }
}

const DOUBLE: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

/// Of two opinions on the same charges the one that lets less through, policy by policy.
fn stricter(one: &Charged, other: &Charged) -> Charged {
    let pairs = one.standings.iter().zip(&other.standings);
    let standings = pairs
        .map(|(one, other)| Standing { remaining: one.remaining.min(other.remaining), wait: one.wait.max(other.wait) });
    Charged { standings: standings.collect(), has_forgotten: true }
}
