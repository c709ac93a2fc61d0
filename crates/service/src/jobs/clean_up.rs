//! The clean-up jobs. Deleted rows stay deleted: after an interrupted attempt, the next attempt continues.

use async_trait::async_trait;
use tenantry_jobs::{CleanUp, Done, Handler, JobAttempt, JobFailure};

use super::complete_with_result;
use crate::{clean_up::Cleaner, transactions::Transactions};

/// Cleans up and stores the number of rows as the result of the job.
pub struct CleanUps {
    /// Deletes expired rows.
    pub cleaner: Cleaner,
    /// Opens and commits the units.
    pub transactions: Transactions,
}

#[async_trait]
impl Handler<CleanUp> for CleanUps {
    async fn run(&self, payload: CleanUp, of: &JobAttempt) -> Result<Done, JobFailure> {
        let counts = self.cleaner.clean_up(of.job.tenant, &payload.targets, payload.dry_run).await?;
        let result = serde_json::to_string(&counts).map_err(JobFailure::permanent)?;
        complete_with_result(&self.transactions, of, &result).await
    }
}
