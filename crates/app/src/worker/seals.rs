//! The job that seals the journal.

use async_trait::async_trait;
use tenantry_jobs::{Done, Handler, JobFailure, Try};

use super::SCOPE;
use crate::{App, sealing::SealJournal};

/// Seals, segment by segment; a try that is cut off is gone on with by the next.
pub(super) struct SealsJournal(pub(super) App);

#[async_trait]
impl Handler<SealJournal> for SealsJournal {
    async fn run(&self, _: SealJournal, _: &Try) -> Result<Done, JobFailure> {
        let sealed = self.0.seal_journal(SCOPE).await?;
        tracing::debug!(segments = sealed.segments, entries = sealed.entries, "sealed the journal");
        Ok(Done::Outside)
    }
}
