//! When to stop asking a server that does not answer.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Closed: commands go through. Open: none does but a probe, whose success closes it again.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// The state's `open`, to be looked at without waiting.
    is_open: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    failures: u32,
    /// How many deletions others were not told of.
    untold: u64,
}

/// What was known when a probe began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    untold: u64,
}

impl Breaker {
    /// So many failures in a row open it.
    const PATIENCE: u32 = 3;

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// A command was answered.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = 0;
    }

    /// A command failed or took too long. Says whether that opened it.
    pub(crate) fn failed(&self) -> bool {
        self.note(|state| {
            state.failures += 1;
            state.open |= state.failures >= Self::PATIENCE;
        })
    }

    /// A command failed after which nobody is to wait for another. Says whether that opened it.
    pub(crate) fn give_up(&self) -> bool {
        self.note(|state| state.open = true)
    }

    /// A deletion could not be told, which opens it at once: what it should have deleted must not be used. Says whether
    /// that opened it.
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

    /// To be called before the epoch is moved.
    pub(crate) fn begin_probe(&self) -> Probe {
        Probe { untold: self.state.lock().unwrap_or_else(PoisonError::into_inner).untold }
    }

    /// The epoch was moved. Closes, unless a deletion was missed since the probe began, which may not be covered by it.
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
