//! Records when sessions were last used: collects uses in the process and writes them together.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};
use tenantry_kernel::{Context, SessionId, StoreError};
use tenantry_store::{SystemReason, Unit};

use crate::transactions::Transactions;

/// Collects the sessions that were used since the last write.
pub struct Usage {
    transactions: Transactions,
    context: Context,
    used: Mutex<HashSet<SessionId>>,
}

impl Usage {
    /// Maximum number of sessions written in one unit.
    const SESSIONS_A_UNIT: usize = 500;

    /// Writes in these transactions.
    pub fn new(transactions: Transactions, context: Context) -> Self {
        Self { transactions, context, used: Mutex::default() }
    }

    /// Notes that the session was used.
    pub fn note(&self, session: SessionId) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(session);
    }

    /// Writes the collected uses. Uses that cannot be written are dropped: losing the time of a use does no harm.
    pub async fn settle(&self) {
        let used: Vec<SessionId> = self.used.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        if let Err(error) = self.write(&used).await {
            tracing::warn!(%error, sessions = used.len(), "the last use of sessions could not be stored");
        }
    }

    async fn write(&self, used: &[SessionId]) -> Result<(), StoreError> {
        let now = self.context.now();
        for sessions in used.chunks(Self::SESSIONS_A_UNIT) {
            let note = async |unit: &mut Unit| unit.note_use(sessions, now).await;
            self.transactions.housekeeping(SystemReason::Usage, note).await?;
        }
        Ok(())
    }
}
