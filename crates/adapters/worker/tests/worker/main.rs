//! The worker over a real queue, on SQLite.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may what helps it")]

mod kinds;
mod leases;
mod schedules;
mod shop;
mod stop;
mod tries;
mod wake_up;
