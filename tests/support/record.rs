//! What operations were seen to answer and to leave.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};
use uuid::Uuid;

use super::{Reply, Server};

/// What was seen of each operation.
#[derive(Default)]
pub(crate) struct Record(Mutex<BTreeMap<String, Seen>>);

/// What was seen of one.
#[derive(Default, Clone)]
pub(crate) struct Seen {
    pub(crate) succeeded: bool,
    pub(crate) codes: BTreeSet<String>,
    /// The events that were left, less those of refusals of the signed-in.
    pub(crate) events: BTreeSet<String>,
}

impl Record {
    /// Notes an answer.
    pub(crate) fn note(&self, reply: &Reply) {
        let Some(operation) = reply.operation() else { return };
        match reply.body["error"]["code"].as_str() {
            Some(code) => self.note_code(&operation, code),
            None => self.change(&operation, |seen| seen.succeeded = true),
        }
    }

    pub(crate) fn note_code(&self, operation: &str, code: &str) {
        self.change(operation, |seen| seen.codes.extend([code.to_owned()]));
    }

    /// Notes what the request has left in the journal, less refusals.
    pub(crate) async fn note_events(&self, server: &Server, reply: &Reply) {
        if let Some(operation) = reply.operation() {
            self.note_events_of(server, &operation, reply.request_id()).await;
        }
    }

    /// The same for a request whose answer came before its event.
    pub(crate) async fn note_events_of(&self, server: &Server, operation: &str, request: Uuid) {
        for (action, outcome) in server.sql.events_of(request).await {
            if outcome != "denied" {
                self.change(operation, |seen| seen.events.extend([action]));
            }
        }
    }

    pub(crate) fn of(&self, operation: &str) -> Seen {
        self.0.lock().unwrap().get(operation).cloned().unwrap_or_default()
    }

    /// Every code that was seen anywhere.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().values().flat_map(|seen| seen.codes.iter().cloned()).collect()
    }

    fn change(&self, operation: &str, change: impl FnOnce(&mut Seen)) {
        change(self.0.lock().unwrap().entry(operation.to_owned()).or_default());
    }
}
