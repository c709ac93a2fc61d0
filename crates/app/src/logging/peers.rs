//! Errors of connections that the peer causes. actix-http logs them at ERROR, on which operators have alarms.

use metrics::counter;
use std::fmt;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// The part of actix-http that logs such errors.
const TARGET: &str = "actix_http::h1";
/// Beginnings of the messages of errors that a peer causes. All other errors of [`TARGET`] are the server's.
const CAUSED_BY_PEERS: [&str; 7] = [
    "stream error: request parse error",
    "stream error: I/O error",
    "stream error: request did not complete",
    "stream error: connection shutdown timeout",
    "stream error: handler dropped payload",
    "MAX_BUFFER_SIZE unprocessed data reached",
    "write zero",
];

/// Logs an error that a peer causes at DEBUG instead, and counts it.
pub(super) struct PeerErrors;

impl<S: Subscriber> Layer<S> for PeerErrors {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR || !metadata.target().starts_with(TARGET) {
            return true;
        }
        let mut message = Message::default();
        event.record(&mut message);
        let Message(message) = message;
        if !CAUSED_BY_PEERS.iter().any(|beginning| message.starts_with(beginning)) {
            return true;
        }
        counter!("tenantry_http_connections_failed_total").increment(1);
        tracing::debug!(error = message, "a connection failed because of its peer");
        false
    }
}

/// The message of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
