//! Tests that the examples run.

#[path = "../examples/embed/main.rs"]
mod embed;

#[test]
fn a_service_can_embed_identity_with_ports_of_its_own() {
    embed::main();
}
