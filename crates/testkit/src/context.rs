//! A clock that moves only on request, and random sources of both kinds: without repetition, and with the same values
//! in each run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU8, Ordering},
    },
    time::Duration,
};
use tenantry_kernel::{Clock, Context, Entropy, Timestamp};
use uuid::Uuid;

/// A clock that stands still until it is moved. Its clones show the same time.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// Creates a clock that stands at this time.
    pub fn at(moment: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(moment.unix_millis())))
    }

    /// Advances the clock.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().plus(span));
    }

    /// Sets the clock to this time, which may lie in its past.
    pub fn set(&self, moment: Timestamp) {
        self.0.store(moment.unix_millis(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        moment(self.0.load(Ordering::SeqCst))
    }
}

/// A random source that does not repeat values, so that suites can share a store.
#[derive(Debug, Clone, Copy, Default)]
pub struct TestEntropy;

impl Entropy for TestEntropy {
    #[expect(clippy::disallowed_methods, reason = "the random source of tests")]
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(16) {
            chunk.copy_from_slice(&Uuid::new_v4().as_bytes()[..chunk.len()]);
        }
    }
}

/// A random source that counts: 0, 1, 2 and so on, for results that are stored.
#[derive(Debug, Default)]
pub struct CountingEntropy(AtomicU8);

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Creates a context whose clock stands at an arbitrary time until it is moved.
pub fn test_context() -> (Context, TestClock) {
    let clock = TestClock::at(moment(1_795_430_096_789));
    (Context::new(clock.clone(), TestEntropy), clock)
}

/// The machine's clock.
struct RealClock;

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where tests read the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::new(chrono::Utc::now())
    }
}

/// Creates a context with the machine's clock, for state that several processes share.
pub fn real() -> Context {
    Context::new(RealClock, TestEntropy)
}

/// Returns the time this many milliseconds after the beginning of 1970.
///
/// # Panics
///
/// Panics when no date can hold the time.
pub fn moment(unix_millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(unix_millis).expect("a date can hold it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_only_when_told() {
        let (context, clock) = test_context();
        let before = context.now();
        assert_eq!(context.now(), before);
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(context.now().since(before), Duration::from_millis(1_500));
        clock.set(moment(0));
        assert_eq!(context.now(), moment(0));
    }

    #[test]
    fn one_kind_of_dice_never_repeats_and_the_other_always_does() {
        let (context, _) = test_context();
        assert_ne!(context.random::<40>(), context.random::<40>());
        let counting = || Context::new(TestClock::at(moment(0)), CountingEntropy::default());
        assert_eq!(counting().uuid_v7(), counting().uuid_v7());
        assert_eq!(counting().random(), [0, 1, 2, 3]);
    }
}
