//! Deletes expired rows in small units, after their retention times.

use std::{collections::BTreeMap, time::Duration};
use tenantry_jobs::{CleanUpTarget, ExpiredRows, RetentionMode, RetentionPass, RetentionStore};
use tenantry_kernel::{Context, StoreError, TenantId, Timestamp};
use tenantry_store::{RowRetention, Scope, SystemReason, Unit, expiring};

use crate::{retention::JournalRetention, transactions::Transactions};

/// Number of rows deleted per unit. SQLite has one writer at a time, so a long unit makes others wait.
const PORTION: u32 = 1_000;

/// Number of rows per target, by the target's public name.
pub type RetentionCounts = BTreeMap<&'static str, u64>;

/// Deletes expired rows. Cloning is cheap.
#[derive(Clone)]
pub struct Cleaner {
    /// Opens and commits the units in which rows are counted and deleted.
    pub transactions: Transactions,
    /// Clock and random source.
    pub context: Context,
    /// Removes old segments of the journal.
    pub journal: JournalRetention,
    /// How long completed and cancelled jobs are kept.
    pub keep_completed: Duration,
    /// How long dead letters are kept.
    pub keep_dead: Duration,
}

impl Cleaner {
    /// Deletes the expired rows of one tenant or of the whole installation. With `dry_run` rows are only counted.
    pub async fn clean_up(
        &self,
        tenant: Option<TenantId>,
        targets: &[CleanUpTarget],
        dry_run: bool,
    ) -> Result<RetentionCounts, StoreError> {
        let (mut counts, mut failed) = (RetentionCounts::new(), None);
        for target in targets {
            match self.clean_up_target(tenant, *target, dry_run).await {
                Ok(rows) => {
                    counts.insert(target.name(), rows);
                }
                // A target that cannot be cleaned up does not stop the others.
                Err(error) => {
                    tracing::error!(target = target.name(), %error, "a clean-up target failed");
                    failed = Some(error);
                }
            }
        }
        tracing::info!(tenant = tenant.map(|id| id.to_string()), dry_run, ?counts, "cleaned up");
        failed.map_or(Ok(counts), Err)
    }

    async fn clean_up_target(
        &self,
        tenant: Option<TenantId>,
        target: CleanUpTarget,
        dry_run: bool,
    ) -> Result<u64, StoreError> {
        let mut rows = match target {
            CleanUpTarget::JournalSegments => self.journal.remove_old_entries(tenant, dry_run).await?,
            _ => 0,
        };
        for expiring in expiring(target) {
            let before = self.context.now().minus(self.kept_for(expiring.kept));
            rows += self.apply_retention(expiring.rows, tenant, before, dry_run).await?;
        }
        Ok(rows)
    }

    fn kept_for(&self, retention: RowRetention) -> Duration {
        match retention {
            RowRetention::For(duration) => duration,
            RowRetention::CompletedJobs => self.keep_completed,
            RowRetention::DeadJobs => self.keep_dead,
        }
    }

    async fn apply_retention(
        &self,
        expired: ExpiredRows,
        tenant: Option<TenantId>,
        before: Timestamp,
        dry_run: bool,
    ) -> Result<u64, StoreError> {
        if dry_run {
            let mut unit = self.transactions.read(Scope::System(SystemReason::Worker)).await?;
            return unit.apply_retention(expired, RetentionPass { tenant, before, mode: RetentionMode::Count }).await;
        }
        let mut rows = 0;
        loop {
            let mode = RetentionMode::Delete { at_most: PORTION };
            let delete =
                async |unit: &mut Unit| unit.apply_retention(expired, RetentionPass { tenant, before, mode }).await;
            let portion: Result<u64, StoreError> = self.transactions.housekeeping(SystemReason::Worker, delete).await;
            let portion = portion?;
            rows += portion;
            if portion < u64::from(PORTION) {
                return Ok(rows);
            }
        }
    }
}
