//! Messages between processes: changes of authority, and wake-ups for new jobs.

use async_trait::async_trait;
use std::sync::Arc;
use tenantry_cache::{InvalidatedSessions, Invalidation};
use tenantry_jobs::WakeUp;
use tokio::sync::{Mutex, Notify, mpsc};

use crate::{
    connection::{Redis, Shared},
    subscriber,
};

/// Redis channels. A message is the sender's token followed by its content.
pub(crate) const AUTHORITY: &str = "tenantry:authority";
pub(crate) const WORK: &str = "tenantry:work";

/// How many changes may wait to be sent or received. The database reports those beyond it.
const WAITING: usize = 4096;
/// Maximum number of changes per message.
const AT_ONCE: usize = 256;

/// Publishes changes of authority over Redis.
pub struct RedisInvalidation {
    outgoing: mpsc::Sender<InvalidatedSessions>,
    incoming: Mutex<mpsc::Receiver<Vec<InvalidatedSessions>>>,
    _redis: Redis,
}

impl RedisInvalidation {
    /// Subscribes to the messages of other processes and publishes to them.
    pub fn new(redis: &Redis) -> Self {
        let own = redis.shared().token();
        let (outgoing, waiting) = mpsc::channel(WAITING);
        let (heard, incoming) = mpsc::channel(WAITING);
        redis.spawn(publish_changes(redis.shared(), own.clone(), waiting));
        redis.spawn(subscriber::listen(redis.shared(), AUTHORITY, own, move |text| {
            // Unknown words of a newer release are skipped: the database reports those changes.
            let changes: Vec<InvalidatedSessions> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
            if !changes.is_empty() && heard.try_send(changes).is_err() {
                tracing::debug!("messages arrive faster than they are read; the feed in the database has the rest");
            }
        }));
        Self { outgoing, incoming: Mutex::new(incoming), _redis: redis.clone() }
    }
}

#[async_trait]
impl Invalidation for RedisInvalidation {
    fn publish(&self, changes: &[InvalidatedSessions]) {
        for change in changes {
            if self.outgoing.try_send(*change).is_err() {
                tracing::debug!("changes arrive faster than they are sent; the feed in the database has the rest");
                return;
            }
        }
    }

    async fn received(&self) -> Vec<InvalidatedSessions> {
        match self.incoming.lock().await.recv().await {
            Some(changes) => changes,
            None => std::future::pending().await,
        }
    }
}

async fn publish_changes(shared: Arc<Shared>, own: String, mut waiting: mpsc::Receiver<InvalidatedSessions>) {
    let mut changes = Vec::new();
    while waiting.recv_many(&mut changes, AT_ONCE).await > 0 {
        let words: Vec<String> = changes.drain(..).map(|change| change.to_string()).collect();
        publish(&shared, AUTHORITY, &format!("{own} {}", words.join(" "))).await;
    }
}

/// Wakes the workers of this process directly, and those of other processes over Redis.
pub struct RedisWakeUp {
    here: Arc<Notify>,
    elsewhere: Arc<Notify>,
    _redis: Redis,
}

impl RedisWakeUp {
    /// Subscribes to the wake-ups of other processes and publishes its own.
    pub fn new(redis: &Redis) -> Self {
        let (here, elsewhere) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let own = redis.shared().token();
        redis.spawn(subscriber::listen(redis.shared(), WORK, own.clone(), {
            let here = here.clone();
            move |_| here.notify_one()
        }));
        redis.spawn({
            let (shared, elsewhere) = (redis.shared(), elsewhere.clone());
            async move {
                loop {
                    elsewhere.notified().await;
                    publish(&shared, WORK, &format!("{own} ")).await;
                }
            }
        });
        Self { here, elsewhere, _redis: redis.clone() }
    }
}

#[async_trait]
impl WakeUp for RedisWakeUp {
    fn call(&self) {
        self.here.notify_one();
        self.elsewhere.notify_one();
    }

    async fn called(&self) {
        self.here.notified().await;
    }
}

async fn publish(shared: &Shared, channel: &str, message: &str) {
    let sent = shared.command(async |connection| {
        redis::cmd("PUBLISH").arg(channel).arg(message).query_async::<()>(connection).await
    });
    if let Err(error) = sent.await {
        tracing::debug!(%error, channel, "a message to other processes was not sent");
    }
}
