//! Jobs that keep the file storage and its records consistent. Each may safely run twice.

use async_trait::async_trait;
use metrics::{counter, gauge};
use serde::Serialize;
use std::{collections::HashSet, sync::Arc};
use tenantry_files::{BlobError, BlobKey, Blobs, FileId, Files, RemoveBlob, SweepBlobs};
use tenantry_jobs::{Done, Handler, JobAttempt, JobFailure};
use tenantry_kernel::{Context, StoreError, TenantId, Timestamp};
use tenantry_store::{Scope, SystemReason};

use super::complete_with_result;
use crate::transactions::Transactions;

const SCOPE: Scope = Scope::System(SystemReason::Worker);
/// Number of records per unit.
const PORTION: u32 = 500;
/// Maximum number of lost files that one sweep names in the log.
const NAMED: u64 = 100;

/// Removes the bytes of deleted files and compares the storage with the records.
#[derive(Clone)]
pub struct BlobKeeper {
    /// The storage of file contents.
    pub blobs: Arc<dyn Blobs>,
    /// Opens and commits the units.
    pub transactions: Transactions,
    /// Clock and random source.
    pub context: Context,
}

#[async_trait]
impl Handler<RemoveBlob> for BlobKeeper {
    async fn run(&self, payload: RemoveBlob, _: &JobAttempt) -> Result<Done, JobFailure> {
        self.blobs.delete(payload.key()).await.map_err(JobFailure::retry)?;
        Ok(Done::Outside)
    }
}

/// The findings of a sweep, stored as the result of its job.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobSweepResult {
    /// Number of removed objects that belonged to no record.
    removed: u64,
    /// Number of removed remains of interrupted uploads.
    unfinished: u64,
    /// Number of files whose bytes are lost.
    lost: u64,
}

#[async_trait]
impl Handler<SweepBlobs> for BlobKeeper {
    async fn run(&self, _: SweepBlobs, of: &JobAttempt) -> Result<Done, JobFailure> {
        let before = self.context.now().minus(SweepBlobs::SPARED);
        let found = BlobSweepResult {
            removed: self.remove_unrecorded(before).await.map_err(JobFailure::retry)?,
            unfinished: self.blobs.remove_unfinished(before).await.map_err(JobFailure::retry)?,
            lost: self.count_lost().await.map_err(JobFailure::retry)?,
        };
        counter!("tenantry_blobs_swept_total").increment(found.removed + found.unfinished);
        gauge!("tenantry_files_lost").set(found.lost as f64);
        tracing::info!(?found, "finished the sweep of the storage");
        let result = serde_json::to_string(&found).map_err(JobFailure::permanent)?;
        complete_with_result(&self.transactions, of, &result).await
    }
}

/// The reason why a sweep stopped early.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BlobKeeper {
    /// Removes bytes that are older than `before` and belong to no record: uploads whose record was never created.
    async fn remove_unrecorded(&self, before: Timestamp) -> Result<u64, SweepError> {
        let mut removed = 0;
        let mut stored = self.blobs.list(None);
        while let Some(entries) = stored.next().await? {
            let old: Vec<BlobKey> =
                entries.iter().filter(|entry| entry.modified_at < before).map(|entry| entry.key).collect();
            let recorded: HashSet<BlobKey> =
                self.transactions.read(SCOPE).await?.recorded_blobs(&old).await?.into_iter().collect();
            for key in old.into_iter().filter(|key| !recorded.contains(key)) {
                self.blobs.delete(key).await?;
                tracing::info!(%key, "deleted a blob without a file");
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Checks that the bytes of every record exist, one tenant at a time.
    async fn count_lost(&self) -> Result<u64, SweepError> {
        let mut lost = 0;
        let mut after = None;
        let mut stored: Option<(TenantId, HashSet<FileId>)> = None;
        loop {
            let recorded = self.transactions.read(SCOPE).await?.blobs_after(after, PORTION).await?;
            let Some(last) = recorded.last() else { return Ok(lost) };
            after = Some(*last);
            for key in recorded {
                let files = match &mut stored {
                    Some((tenant, files)) if *tenant == key.tenant => files,
                    stored => &mut stored.insert((key.tenant, self.stored_of(key.tenant).await?)).1,
                };
                if !files.contains(&key.file) && self.is_lost(key).await? {
                    lost += 1;
                    if lost <= NAMED {
                        tracing::error!(%key, "the bytes of a file are missing");
                    }
                }
            }
        }
    }

    async fn stored_of(&self, tenant: TenantId) -> Result<HashSet<FileId>, SweepError> {
        let mut files = HashSet::new();
        let mut stored = self.blobs.list(Some(tenant));
        while let Some(entries) = stored.next().await? {
            files.extend(entries.iter().map(|entry| entry.key.file));
        }
        Ok(files)
    }

    /// Checks a missing file again: it may have been uploaded after the storage was listed, or deleted since.
    async fn is_lost(&self, key: BlobKey) -> Result<bool, SweepError> {
        match self.blobs.read(key, 0..1).await {
            Ok(_) => Ok(false),
            Err(BlobError::NotFound) => {
                Ok(!self.transactions.read(SCOPE).await?.recorded_blobs(&[key]).await?.is_empty())
            }
            Err(error) => Err(error.into()),
        }
    }
}
