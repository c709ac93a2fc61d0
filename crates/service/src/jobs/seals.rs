//! The job that seals the journal.

use async_trait::async_trait;
use tenantry_jobs::{Done, Handler, JobAttempt, JobFailure};
use tenantry_store::SystemReason;

use crate::sealing::{JournalSealer, SealJournal};

/// Seals the journal segment by segment. After an interrupted attempt, the next attempt continues.
pub struct SealsJournal(pub JournalSealer);

#[async_trait]
impl Handler<SealJournal> for SealsJournal {
    async fn run(&self, _: SealJournal, _: &JobAttempt) -> Result<Done, JobFailure> {
        let sealed = self.0.seal_journal(SystemReason::Worker).await?;
        tracing::debug!(segments = sealed.segments, entries = sealed.entries, "sealed the journal");
        Ok(Done::Outside)
    }
}
