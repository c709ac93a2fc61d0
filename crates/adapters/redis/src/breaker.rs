//! A circuit breaker for a server that does not answer.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Circuit breaker. Closed: commands are sent. Open: only a probe is sent, and its success closes the breaker.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// Copy of the state's `open` that can be read without a lock.
    is_open: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    failures: u32,
    /// Number of deletions that were not published.
    untold: u64,
}

/// State at the beginning of a probe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    untold: u64,
}

impl Breaker {
    /// Number of consecutive failures that open the breaker.
    const PATIENCE: u32 = 3;

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Records an answered command.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = 0;
    }

    /// Records a command that failed or timed out. Returns whether this opened the breaker.
    pub(crate) fn failed(&self) -> bool {
        self.note(|state| {
            state.failures += 1;
            state.open |= state.failures >= Self::PATIENCE;
        })
    }

    /// Records a failure after which no other caller should wait. Returns whether this opened the breaker.
    pub(crate) fn give_up(&self) -> bool {
        self.note(|state| state.open = true)
    }

    /// Records a deletion that could not be published. This opens the breaker at once, because the value must not be
    /// used any more. Returns whether this opened the breaker.
    pub(crate) fn could_not_tell(&self) -> bool {
        self.note(|state| {
            state.untold += 1;
            state.open = true;
        })
    }

    fn note(&self, change: impl FnOnce(&mut State)) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let was_open = state.open;
        change(&mut state);
        self.is_open.store(state.open, Ordering::Release);
        state.open && !was_open
    }

    /// Begins a probe. Call it before changing the epoch.
    pub(crate) fn begin_probe(&self) -> Probe {
        Probe { untold: self.state.lock().unwrap_or_else(PoisonError::into_inner).untold }
    }

    /// Closes the breaker after the epoch was changed, unless a deletion was missed since the probe began: the new
    /// epoch may not cover it.
    pub(crate) fn close_after(&self, probe: Probe) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.untold != probe.untold {
            return false;
        }
        *state = State { open: false, failures: 0, untold: state.untold };
        self.is_open.store(false, Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            assert!(!breaker.failed() && !breaker.failed());
            breaker.succeeded();
        }
        assert!(!breaker.is_open());
        assert!(!breaker.failed() && !breaker.failed() && breaker.failed());
        assert!(breaker.is_open());
        assert!(!breaker.failed(), "it was open already");
        breaker.succeeded();
        assert!(breaker.is_open(), "only a probe closes it");
        assert!(breaker.close_after(breaker.begin_probe()));
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_deletion_missed_during_a_probe_keeps_it_open() {
        let breaker = Breaker::default();
        assert!(breaker.could_not_tell(), "one is enough");
        let probe = breaker.begin_probe();
        breaker.could_not_tell();
        assert!(!breaker.close_after(probe));
        assert!(breaker.is_open());
        assert!(breaker.close_after(breaker.begin_probe()));
    }
}
