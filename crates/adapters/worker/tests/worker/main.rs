//! Tests of the worker with a real queue on SQLite.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

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
