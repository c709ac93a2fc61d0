//! Settings of a worker.

use std::time::Duration;

/// A queue that a worker serves.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// Its name.
    pub name: String,
    /// Maximum number of its jobs that run at the same time in this process.
    pub concurrency: u32,
}

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The queues that the worker serves. The first is claimed first; no queue can use another's slots.
    pub queues: Vec<QueueConfig>,
    /// Maximum number of jobs of one tenant that run at the same time, over all processes; `None` means no limit.
    pub tenant_limit: Option<u32>,
    /// Duration of a claim without a heartbeat. A longer lease delays the jobs of a killed worker; a shorter one takes
    /// jobs from a worker that is only slow.
    pub lease: Duration,
    /// Interval at which claims are renewed; a fraction of the lease.
    pub heartbeat: Duration,
    /// Poll interval after a poll that found jobs.
    pub shortest_poll: Duration,
    /// Poll interval after a while without jobs and without a wake-up.
    pub longest_poll: Duration,
}

impl WorkerConfig {
    /// Creates settings with leases of 10 s that are renewed every 3 s, and a poll interval from 20 to 500 ms.
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
