//! Sealing the journal: the worker does it once a minute, the operator whenever they like.

use serde::{Deserialize, Serialize};
use std::{num::TryFromIntError, time::Duration};
use tenantry_audit::{Chain, MAX_SEGMENT_ENTRIES, Seals, seal_next_segment};
use tenantry_jobs::{Kind, RetryPolicy};
use tenantry_kernel::{Actor, RequestId, StoreError};
use tenantry_store::{Scope, Unit};

use crate::App;

/// The job that seals every log in which something waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealJournal {}

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

impl App {
    /// Closes what waits in every log into segments, each in a unit of its own. Several processes may do so at once. A log
    /// that cannot be sealed keeps nobody else's from it; it is the error in the end.
    pub async fn seal_journal(&self, scope: Scope) -> Result<Sealed, StoreError> {
        let mut sealed = Sealed::default();
        let (mut after, mut failed) = (None, None);
        while let Some(chain) = self.read(scope).await?.next_unsealed_chain(after).await? {
            if let Err(error) = self.seal_chain(scope, chain, &mut sealed).await {
                tracing::error!(%chain, %error, "a log was not sealed");
                failed = Some(error);
            }
            after = Some(chain);
        }
        failed.map_or(Ok(sealed), Err)
    }

    /// Seals as long as segments are full: what comes meanwhile waits for the next time, or a busy log would never end.
    async fn seal_chain(&self, scope: Scope, chain: Chain, sealed: &mut Sealed) -> Result<(), StoreError> {
        while let Some(entries) = self.seal_segment(scope, chain).await? {
            sealed.segments += 1;
            sealed.entries += entries;
            if entries < u64::from(MAX_SEGMENT_ENTRIES) {
                break;
            }
        }
        Ok(())
    }

    async fn seal_segment(&self, scope: Scope, chain: Chain) -> Result<Option<u64>, StoreError> {
        let actor = Actor::system(RequestId::new(&self.world));
        let mut unit: Unit = self.transactions.begin(scope).await?;
        let segment = seal_next_segment(&mut unit, &actor, &self.world, &self.seal_keys, chain).await?;
        let Some(segment) = segment else { return Ok(None) };
        self.transactions.commit(unit).await?;
        let entries = u64::try_from(segment.seal.count);
        Ok(Some(entries.map_err(|error: TryFromIntError| StoreError::Failed(Box::new(error)))?))
    }
}
