//! Keeps conversations open for the next email.
//!
//! lettre's pool takes back every connection that is dropped, even one that a timeout stopped in the middle of an
//! email. Its late reply would count as the reply to the next email, which would count as sent although it was refused.
//! Hence this pool.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep_until},
};

use super::{
    connection::Connection,
    failure::{SmtpFailure, SmtpStep},
};

/// Maximum number of concurrent conversations; providers refuse many more.
const MAX_CONNECTIONS: usize = 8;

/// The conversations of one server.
pub(crate) struct Pool {
    slots: Semaphore,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Idle>,
    /// Whether a task closes the conversations in time.
    is_watched: bool,
}

struct Idle {
    connection: Connection,
    until: Instant,
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self { slots: Semaphore::new(MAX_CONNECTIONS), kept: Arc::default() }
    }

    /// Waits for a permit to hold one conversation.
    pub(crate) async fn slot(&self) -> Result<SemaphorePermit<'_>, SmtpFailure> {
        self.slots.acquire().await.map_err(|_| SmtpFailure::other(SmtpStep::Connecting, "the mailer is closed"))
    }

    /// Returns a conversation whose server still replies, if there is one.
    pub(crate) async fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = lock(&self.kept).idle.pop()?.connection;
            if connection.is_alive().await {
                return Some(connection);
            }
        }
    }

    /// Keeps an idle conversation for this time.
    pub(crate) fn keep(&self, connection: Connection, time: Duration) {
        let mut kept = lock(&self.kept);
        kept.idle.push(Idle { connection, until: Instant::now() + time });
        if !std::mem::replace(&mut kept.is_watched, true) {
            tokio::spawn(close_in_time(Arc::downgrade(&self.kept)));
        }
    }
}

/// Closes conversations whose time has passed, until none is kept or the pool is dropped.
async fn close_in_time(kept: Weak<Mutex<Kept>>) {
    while let Some(next) = kept.upgrade().and_then(|kept| next_end(&kept)) {
        sleep_until(next).await;
        let now = Instant::now();
        let over: Vec<Idle> = match kept.upgrade() {
            Some(kept) => lock(&kept).idle.extract_if(.., |idle| idle.until <= now).collect(),
            None => return,
        };
        for Idle { connection, .. } in over {
            connection.close().await;
        }
    }
}

/// Returns the time at which the first conversation must be closed. If there is none, the task ends.
fn next_end(kept: &Mutex<Kept>) -> Option<Instant> {
    let mut kept = lock(kept);
    let next = kept.idle.iter().map(|idle| idle.until).min();
    kept.is_watched = next.is_some();
    next
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
