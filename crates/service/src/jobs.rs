//! The handlers of this program's jobs.

mod accounts;
mod blobs;
mod clean_up;
mod emails;
mod seals;

pub use accounts::Accounts;
pub use blobs::BlobKeeper;
pub use clean_up::CleanUps;
pub use emails::EmailSender;
pub use seals::SealsJournal;

use tenantry_identity::RegistrationRequested;
use tenantry_jobs::{CleanUp, Done, JobAdmin, JobAttempt, JobFailure, Kind};
use tenantry_mails::Email;
use tenantry_store::{SystemReason, Unit};

use crate::{sealing::SealJournal, transactions::Transactions};

/// The queues of this program.
pub const QUEUES: &[&str] = &[RegistrationRequested::QUEUE, Email::QUEUE, CleanUp::QUEUE, SealJournal::QUEUE];

/// Completes a job and stores its result, in one unit.
async fn complete_with_result(transactions: &Transactions, of: &JobAttempt, result: &str) -> Result<Done, JobFailure> {
    let complete = async |unit: &mut Unit| {
        unit.put_job_result(of.job.id, result).await?;
        of.complete_in(unit).await
    };
    transactions.housekeeping(SystemReason::Worker, complete).await
}
