//! Invalidation messages between the members of one hub, for a single process and for tests.

use async_trait::async_trait;
use tenantry_cache::{InvalidatedSessions, Invalidation};
use tokio::sync::{
    Mutex,
    broadcast::{self, error::RecvError},
};

/// How many messages may wait for a slow member, which loses older ones.
const WAITING: usize = 1024;

type Message = (u64, Vec<InvalidatedSessions>);

/// Connects members.
#[derive(Debug)]
pub struct LocalHub {
    sender: broadcast::Sender<Message>,
    members: std::sync::atomic::AtomicU64,
}

/// A member of a hub. A server is the only member of its hub, so its messages reach no other process.
#[derive(Debug)]
pub struct LocalInvalidation {
    own: u64,
    sender: broadcast::Sender<Message>,
    receiver: Mutex<broadcast::Receiver<Message>>,
}

impl Default for LocalHub {
    fn default() -> Self {
        Self { sender: broadcast::channel(WAITING).0, members: std::sync::atomic::AtomicU64::new(0) }
    }
}

impl LocalHub {
    /// Adds a member, which receives the messages that others publish from now on.
    pub fn join(&self) -> LocalInvalidation {
        let own = self.members.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        LocalInvalidation { own, sender: self.sender.clone(), receiver: Mutex::new(self.sender.subscribe()) }
    }
}

#[async_trait]
impl Invalidation for LocalInvalidation {
    fn publish(&self, changes: &[InvalidatedSessions]) {
        if !changes.is_empty() {
            // Sending fails when there is no receiver, which needs no handling.
            let _ = self.sender.send((self.own, changes.to_vec()));
        }
    }

    async fn received(&self) -> Vec<InvalidatedSessions> {
        let mut receiver = self.receiver.lock().await;
        loop {
            match receiver.recv().await {
                Ok((by, changes)) if by != self.own => return changes,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                // Cannot happen: this value owns the sender.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
