//! Tests of the worker with a real queue on SQLite.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may what helps it")]

mod ahead;
mod attempts;
#[path = "../../examples/embed/main.rs"]
mod embed;
mod kinds;
mod leases;
mod pulse;
mod schedules;
mod shop;
mod stop;
mod wake_up;

#[test]
fn a_service_can_embed_the_queue() {
    embed::main().unwrap();
}
