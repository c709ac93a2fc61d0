//! How much a worker does at once, and how often it looks.

use std::time::Duration;

/// A queue that a worker serves.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// Its name.
    pub name: String,
    /// How many of its jobs run at the same time in this process at most.
    pub concurrency: u32,
}

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The queues that it serves. The first is claimed from first, and none can take another's places.
    pub queues: Vec<QueueConfig>,
    /// How many jobs of one tenant run at the same time at most, in all processes together; `None` is as many as there are.
    pub tenant_limit: Option<u32>,
    /// For how long a claim is good without a word. Longer means that the jobs of a killed worker wait longer; shorter,
    /// that a worker which is merely slow loses its own.
    pub lease: Duration,
    /// How often claims are renewed; a fraction of the lease.
    pub heartbeat: Duration,
    /// How soon the table is looked at again after there was work.
    pub shortest_poll: Duration,
    /// How soon when there has been none for a while and nobody calls.
    pub longest_poll: Duration,
}

impl WorkerConfig {
    /// Leases of 10 s, renewed every 3 s, and looks after 20 to 500 ms.
    pub fn new(queues: Vec<QueueConfig>, tenant_limit: Option<u32>) -> Self {
        Self {
            queues,
            tenant_limit,
            lease: Duration::from_secs(10),
            heartbeat: Duration::from_secs(3),
            shortest_poll: Duration::from_millis(20),
            longest_poll: Duration::from_millis(500),
        }
    }
}
