//! Runs the jobs of the queue: claims them in batches, runs a handler for each, renews their leases, and records their
//! outcomes in batches.
//!
//! A worker may be killed or frozen at any moment: its leases end, and another worker runs its jobs. The store refuses
//! outcomes that the first worker reports later. A handler that panics or exceeds its time limit costs its job one
//! attempt and nothing else.

mod config;
mod handlers;
mod in_flight;
mod newer;
mod schedules;
mod store;
mod tick;
mod worker;

pub use config::{QueueConfig, WorkerConfig};
pub use handlers::Handlers;
pub use store::JobStore;
pub use worker::Worker;
