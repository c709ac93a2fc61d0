//! Sealing the journal: the worker does it once a minute, the operator whenever they like.

use serde::{Deserialize, Serialize};
use std::{num::TryFromIntError, sync::Arc, time::Duration};
use tenantry_audit::{Chain, MAX_SEGMENT_ENTRIES, Seals, seal_next_segment};
use tenantry_crypto::SealSigningKeys;
use tenantry_jobs::{Kind, RetryPolicy};
use tenantry_kernel::{Actor, RequestId, StoreError, World};
use tenantry_store::{Scope, SystemReason, Unit};

use crate::transactions::Transactions;

/// The job that seals every log in which something waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealJournal {}

impl Kind for SealJournal {
    const NAME: &'static str = "seal_journal";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "seals";
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 5, first: Duration::from_secs(5), longest: Duration::from_secs(30) };
    // What was sealed stays sealed, and the next one goes on.
    const TIME_LIMIT: Duration = Duration::from_secs(600);
}

/// What was sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sealed {
    /// How many segments were closed.
    pub segments: u64,
    /// How many entries they have, those that tell of the sealing included.
    pub entries: u64,
}

/// Seals the journal. Cloning is cheap.
#[derive(Clone)]
pub struct JournalSealer {
    /// Where segments are made.
    pub transactions: Transactions,
    /// Clock and random source.
    pub world: World,
    /// The keys of seals.
    pub keys: Arc<SealSigningKeys>,
}

impl JournalSealer {
    /// Closes what waits in every log into segments, each in a unit of its own. Several processes may do so at once. A log
    /// that cannot be sealed does not keep the others from it; its error is returned in the end.
    pub async fn seal_journal(&self, reason: SystemReason) -> Result<Sealed, StoreError> {
        let mut sealed = Sealed::default();
        let (mut after, mut failed) = (None, None);
        let read = async || self.transactions.read(Scope::System(reason)).await;
        while let Some(chain) = read().await?.next_unsealed_chain(after).await? {
            if let Err(error) = self.seal_chain(reason, chain, &mut sealed).await {
                tracing::error!(%chain, %error, "a log was not sealed");
                failed = Some(error);
            }
            after = Some(chain);
        }
        failed.map_or(Ok(sealed), Err)
    }

    /// Seals as long as segments are full. What comes meanwhile waits for the next time, or a busy log would never end.
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
        let actor = Actor::system(RequestId::new(&self.world));
        let seal = async |unit: &mut Unit| seal_next_segment(unit, &actor, &self.world, &*self.keys, chain).await;
        let Some(segment) = self.transactions.housekeeping(reason, seal).await? else { return Ok(None) };
        let entries = u64::try_from(segment.seal.count);
        Ok(Some(entries.map_err(|error: TryFromIntError| StoreError::Failed(Box::new(error)))?))
    }
}
