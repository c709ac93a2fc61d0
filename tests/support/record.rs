//! Records the responses and events of operations.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};
use uuid::Uuid;

use super::{Reply, Server};

/// Observations of each operation.
#[derive(Default)]
pub(crate) struct Record(Mutex<BTreeMap<String, Seen>>);

/// Observations of one operation.
#[derive(Default, Clone)]
pub(crate) struct Seen {
    pub(crate) succeeded: bool,
    pub(crate) codes: BTreeSet<String>,
    /// The recorded events, except refusals of authenticated callers.
    pub(crate) events: BTreeSet<String>,
}

impl Record {
    /// Records a response.
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

    /// Records the journal events of the request, except refusals.
    pub(crate) async fn note_events(&self, server: &Server, reply: &Reply) {
        if let Some(operation) = reply.operation() {
            self.note_events_of(server, &operation, reply.request_id()).await;
        }
    }

    /// Records the same for a request whose response came before its event.
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

    /// Returns every error code that was observed.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().values().flat_map(|seen| seen.codes.iter().cloned()).collect()
    }

    fn change(&self, operation: &str, change: impl FnOnce(&mut Seen)) {
        change(self.0.lock().unwrap().entry(operation.to_owned()).or_default());
    }
}
