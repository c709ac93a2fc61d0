//! Seals the journal: the worker does so once a minute, the operator on demand.

use serde::{Deserialize, Serialize};
use std::{num::TryFromIntError, sync::Arc, time::Duration};
use tenantry_audit::{Chain, MAX_SEGMENT_ENTRIES, Seals, seal_next_segment};
use tenantry_crypto::SealSigningKeys;
use tenantry_jobs::{Kind, RetryPolicy};
use tenantry_kernel::{Actor, Context, RequestId, StoreError};
use tenantry_store::{Scope, SystemReason, Unit};

use crate::transactions::Transactions;

/// The job that seals every log with unsealed entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealJournal {}

impl Kind for SealJournal {
    const NAME: &'static str = "seal_journal";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "seals";
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 5, first: Duration::from_secs(5), longest: Duration::from_secs(30) };
    // Sealed segments stay sealed, so the next attempt continues after them.
    const TIME_LIMIT: Duration = Duration::from_secs(600);
}

/// The result of a sealing run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Number of closed segments.
    pub segments: u64,
    /// Number of entries in them, including the entries that record the sealing.
    pub entries: u64,
}

/// Seals the journal. Cloning is cheap.
#[derive(Clone)]
pub struct JournalSealer {
    /// Opens and commits the units in which segments are created.
    pub transactions: Transactions,
    /// Clock and random source.
    pub context: Context,
    /// The keys that sign seals.
    pub keys: Arc<SealSigningKeys>,
}

impl JournalSealer {
    /// Closes the unsealed entries of every log into segments, each in a unit of its own. Several processes may do so
    /// at the same time. A log that cannot be sealed does not stop the others; its error is returned at the end.
    pub async fn seal_journal(&self, reason: SystemReason) -> Result<Sealed, StoreError> {
        let mut sealed = Sealed::default();
        let (mut after, mut failed) = (None, None);
        let read = async || self.transactions.read(Scope::System(reason)).await;
        while let Some(chain) = read().await?.next_unsealed_chain(after).await? {
            if let Err(error) = self.seal_chain(reason, chain, &mut sealed).await {
                tracing::error!(%chain, %error, "the sealing of a log failed");
                failed = Some(error);
            }
            after = Some(chain);
        }
        failed.map_or(Ok(sealed), Err)
    }

    /// Seals while segments are full. Later entries wait for the next run; otherwise a busy log would never end.
    async fn seal_chain(&self, reason: SystemReason, chain: Chain, sealed: &mut Sealed) -> Result<(), StoreError> {
        while let Some(entries) = self.seal_segment(reason, chain).await? {
            sealed.segments += 1;
            sealed.entries += entries;
            if entries < u64::from(MAX_SEGMENT_ENTRIES) {
                break;
            }
        }
        Ok(())
    }

    async fn seal_segment(&self, reason: SystemReason, chain: Chain) -> Result<Option<u64>, StoreError> {
        let actor = Actor::system(RequestId::new(&self.context));
        let seal = async |unit: &mut Unit| seal_next_segment(unit, &actor, &self.context, &*self.keys, chain).await;
        let Some(segment) = self.transactions.housekeeping(reason, seal).await? else { return Ok(None) };
        let entries = u64::try_from(segment.seal.count);
        Ok(Some(entries.map_err(|error: TryFromIntError| StoreError::Failed(Box::new(error)))?))
    }
}
