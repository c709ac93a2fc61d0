//! Jobs that clean up: what they delete stays deleted, and a try that is cut off is gone on with by the next.

use async_trait::async_trait;
use tenantry_jobs::{CleanUp, Done, Handler, JobFailure, Try};

use super::complete_with_result;
use crate::{clean_up::Cleaner, transactions::Transactions};

/// Cleans up, and keeps with the job how much there was.
pub struct CleanUps {
    /// Deletes what is over.
    pub cleaner: Cleaner,
    /// Where the work is committed.
    pub transactions: Transactions,
}

#[async_trait]
impl Handler<CleanUp> for CleanUps {
    async fn run(&self, words: CleanUp, of: &Try) -> Result<Done, JobFailure> {
        let swept = self.cleaner.clean_up(of.job.tenant, &words.targets, words.dry_run).await?;
        let result = serde_json::to_string(&swept).map_err(JobFailure::hopeless)?;
        complete_with_result(&self.transactions, of, &result).await
    }
}
