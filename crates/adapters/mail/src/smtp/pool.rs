//! Conversations that are kept open for the next mail.
//!
//! It is our own because lettre's pool takes back every connection that is dropped: one that a time-out has stopped in
//! the midst of a mail would give its late answer to the next mail, which would count as sent though it was refused.

use std::{
    sync::{Arc, Mutex, PoisonError},
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
/// How long one is kept that nobody uses; servers themselves hang up after some minutes.
const KEPT_IDLE: Duration = Duration::from_secs(20);

/// The conversations of one server.
pub(crate) struct Pool {
    slots: Semaphore,
    idle: Arc<Mutex<Vec<Idle>>>,
}

struct Idle {
    connection: Connection,
    until: Instant,
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self { slots: Semaphore::new(MAX_CONNECTIONS), idle: Arc::default() }
    }

    /// Leave to hold one conversation.
    pub(crate) async fn slot(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.slots.acquire().await.map_err(|_| Failure::other(Step::Connecting, "the mailer is closed"))
    }

    /// One that still answers, if there is one.
    pub(crate) async fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = lock(&self.idle).pop()?.connection;
            if connection.is_alive().await {
                return Some(connection);
            }
        }
    }

    /// Keeps one that is between two mails. Where none was kept, somebody begins to watch over their time.
    pub(crate) fn keep(&self, connection: Connection) {
        let mut idle = lock(&self.idle);
        idle.push(Idle { connection, until: Instant::now() + KEPT_IDLE });
        if idle.len() == 1 {
            tokio::spawn(close_in_time(Arc::downgrade(&self.idle)));
        }
    }
}

/// Closes what has been kept long enough, until nothing is kept any more.
async fn close_in_time(idle: std::sync::Weak<Mutex<Vec<Idle>>>) {
    loop {
        let Some(next) = idle.upgrade().and_then(|idle| lock(&idle).iter().map(|idle| idle.until).min()) else {
            return;
        };
        sleep_until(next).await;
        let Some(kept) = idle.upgrade() else { return };
        let now = Instant::now();
        let over: Vec<Idle> = lock(&kept).extract_if(.., |idle| idle.until <= now).collect();
        drop(kept);
        for Idle { connection, .. } in over {
            connection.close().await;
        }
    }
}

fn lock(idle: &Mutex<Vec<Idle>>) -> std::sync::MutexGuard<'_, Vec<Idle>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
