//! Messages among those who joined one hub, for a process that stands alone and for tests.

use async_trait::async_trait;
use tenantry_cache::{Change, Invalidation};
use tokio::sync::{
    Mutex,
    broadcast::{self, error::RecvError},
};

/// How many messages may wait for a slow member; older ones are lost to it.
const WAITING: usize = 1024;

type Message = (u64, Vec<Change>);

/// Where members hear each other.
#[derive(Debug)]
pub struct LocalHub {
    sender: broadcast::Sender<Message>,
    members: std::sync::atomic::AtomicU64,
}

/// One member of a hub. In a server it is the only one, and what it publishes reaches nobody else.
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
    /// One more member, which hears what others publish from now on.
    pub fn join(&self) -> LocalInvalidation {
        let own = self.members.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        LocalInvalidation { own, sender: self.sender.clone(), receiver: Mutex::new(self.sender.subscribe()) }
    }
}

#[async_trait]
impl Invalidation for LocalInvalidation {
    fn publish(&self, changes: &[Change]) {
        if !changes.is_empty() {
            // It fails when nobody listens, which is as good.
            let _ = self.sender.send((self.own, changes.to_vec()));
        }
    }

    async fn received(&self) -> Vec<Change> {
        let mut receiver = self.receiver.lock().await;
        loop {
            match receiver.recv().await {
                Ok((by, changes)) if by != self.own => return changes,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                // The sender is a part of this value.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
