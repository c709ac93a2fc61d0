//! Jobs that clean up: what they delete stays deleted, and a try that is cut off is gone on with by the next.

use async_trait::async_trait;
use tenantry_jobs::{CleanUp, Done, Handler, JobFailure, Jobs, Try};

use super::SCOPE;
use crate::{App, clean_up::clean_up};

/// Cleans up, and keeps with the job how much there was.
pub(super) struct CleanUps(pub(super) App);

#[async_trait]
impl Handler<CleanUp> for CleanUps {
    async fn run(&self, words: CleanUp, of: &Try) -> Result<Done, JobFailure> {
        let Self(app) = self;
        let swept = clean_up(app, of.job.tenant, &words.targets, words.dry_run).await?;
        let result = serde_json::to_string(&swept).map_err(JobFailure::hopeless)?;
        let mut unit = app.transactions.begin(SCOPE).await?;
        unit.put_job_result(of.job.id, &result).await?;
        let done = of.complete_in(&mut unit).await?;
        app.transactions.commit(unit).await?;
        Ok(done)
    }
}
