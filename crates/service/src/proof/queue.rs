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
pub(super) struct CounterQueues(Locks);

/// The right to look at a counter. Dropping it lets the next guess look.
pub(super) struct QueueTicket {
    counter: Key,
    locks: Locks,
    guard: Option<OwnedMutexGuard<()>>,
}

impl CounterQueues {
    /// Waits in the queue of a counter. A wait that is cancelled leaves the queue.
    pub(super) async fn take(&self, counter: Key) -> QueueTicket {
        let lock = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(counter).or_default().clone();
        // Created before the wait, so that a cancelled wait removes an unused lock too.
        let mut ticket = QueueTicket { counter, locks: self.0.clone(), guard: None };
        ticket.guard = Some(lock.lock_owned().await);
        ticket
    }
}

impl QueueTicket {
    /// Returns whether this is a ticket for that counter.
    pub(super) fn is_at(&self, counter: &Key) -> bool {
        self.counter == *counter
    }
}

impl Drop for QueueTicket {
    fn drop(&mut self) {
        self.guard = None;
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.get(&self.counter).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.counter);
        }
    }
}
