//! Does the jobs of the queue: claims them in batches, runs a handler for each, keeps their leases alive meanwhile, and
//! notes in batches what became of them.
//!
//! A worker may be killed or frozen at any moment: its leases end, and whoever comes next does its jobs. What it says
//! after that is refused by the store. A handler that panics or takes too long costs its job a try and nothing else.

mod config;
mod handlers;
mod jobs_in_hand;
mod round;
mod schedules;
mod store;
mod worker;

pub use config::{QueueConfig, WorkerConfig};
pub use handlers::Handlers;
pub use store::JobStore;
pub use worker::Worker;
