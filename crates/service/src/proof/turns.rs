//! Lets the guesses that wait for one counter look at it one after the other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

type Key = [u8; 32];
type Lock = Arc<tokio::sync::Mutex<()>>;
type Locks = Arc<Mutex<HashMap<Key, Lock>>>;

/// The counters for which guesses of this process wait, each with a fair lock.
#[derive(Default)]
pub(super) struct Turns(Locks);

/// The turn to look at a counter. Dropping it passes the turn on.
pub(super) struct Turn {
    counter: Key,
    locks: Locks,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn to look at a counter. A wait that is cancelled leaves the line.
    pub(super) async fn take(&self, counter: Key) -> Turn {
        let lock = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(counter).or_default().clone();
        // Created before the wait, so that a cancelled wait removes an unused lock too.
        let mut turn = Turn { counter, locks: self.0.clone(), guard: None };
        turn.guard = Some(lock.lock_owned().await);
        turn
    }
}

impl Turn {
    /// Returns whether this is the turn at that counter.
    pub(super) fn is_at(&self, counter: &Key) -> bool {
        self.counter == *counter
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.get(&self.counter).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.counter);
        }
    }
}
