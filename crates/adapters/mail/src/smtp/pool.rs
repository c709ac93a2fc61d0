//! Conversations that are kept open for the next mail.
//!
//! It is our own because lettre's pool takes back every connection that is dropped: one that a time-out has stopped in
//! the midst of a mail would give its late answer to the next mail, which would count as sent though it was refused.

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
    failure::{Failure, Step},
};

/// How many conversations there are at the same time; providers refuse many more.
const MAX_CONNECTIONS: usize = 8;

/// The conversations of one server.
pub(crate) struct Pool {
    slots: Semaphore,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Idle>,
    /// Whether somebody watches over their time.
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

    /// Leave to hold one conversation.
    pub(crate) async fn slot(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.slots.acquire().await.map_err(|_| Failure::other(Step::Connecting, "the mailer is closed"))
    }

    /// One that still answers, if there is one.
    pub(crate) async fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = lock(&self.kept).idle.pop()?.connection;
            if connection.is_alive().await {
                return Some(connection);
            }
        }
    }

    /// Keeps one that is between two mails for so long.
    pub(crate) fn keep(&self, connection: Connection, time: Duration) {
        let mut kept = lock(&self.kept);
        kept.idle.push(Idle { connection, until: Instant::now() + time });
        if !std::mem::replace(&mut kept.is_watched, true) {
            tokio::spawn(close_in_time(Arc::downgrade(&self.kept)));
        }
    }
}

/// Closes what has been kept long enough, until nothing is kept any more or the pool is gone.
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

/// When the first is to be closed. If there is none, nobody watches any more.
fn next_end(kept: &Mutex<Kept>) -> Option<Instant> {
    let mut kept = lock(kept);
    let next = kept.idle.iter().map(|idle| idle.until).min();
    kept.is_watched = next.is_some();
    next
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
