//! When sessions were last used: gathered in the process and written together.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};
use tenantry_kernel::SessionId;

use crate::App;

/// The sessions that were used since the last writing.
#[derive(Default)]
pub(crate) struct Usage {
    used: Mutex<HashSet<SessionId>>,
}

impl Usage {
    /// Notes that the session was used.
    pub(crate) fn note(&self, session: SessionId) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(session);
    }

    /// Writes what was gathered. What cannot be written is left out: a use more or less is no change to keep.
    pub(crate) async fn settle(&self, app: &App) {
        let used: Vec<SessionId> = self.used.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        if used.is_empty() {
            return;
        }
        if let Err(error) = app.store.note_use(&used, app.world.now()).await {
            tracing::warn!(%error, sessions = used.len(), "the last use of sessions could not be written");
        }
    }
}
