//! Removes entries past their retention from the journal, segment by segment.

use tenantry_audit::{AuditPolicies, Chain, EffectivePolicy, Retention, Seals, remove_oldest_segment};
use tenantry_kernel::{Authorities, Context, StoreError, TenantId};
use tenantry_store::{Scope, SystemReason, Unit};

use crate::transactions::Transactions;

const REASON: SystemReason = SystemReason::Worker;

/// Removes entries past their retention from the journal. Cloning is cheap.
#[derive(Clone)]
pub struct JournalRetention {
    /// Opens and commits the units in which segments are removed.
    pub transactions: Transactions,
    /// Clock and random source.
    pub context: Context,
    /// Retention times of entries.
    pub retention: Retention,
}

impl JournalRetention {
    /// Removes the entries past retention of one tenant, or of the whole installation, and returns their number. With
    /// `dry_run` the entries are only counted.
    pub async fn remove_old_entries(&self, tenant: Option<TenantId>, dry_run: bool) -> Result<u64, StoreError> {
        if tenant.is_some() {
            return self.remove_from(Chain(tenant), dry_run).await;
        }
        let (mut removed, mut after, mut failed) = (0, None, None);
        while let Some(chain) = self.read().await?.next_sealed_chain(after).await? {
            match self.remove_from(chain, dry_run).await {
                Ok(entries) => removed += entries,
                // A damaged log does not stop the clean-up of the others.
                Err(error) => {
                    tracing::error!(%chain, %error, "the retention of a log failed");
                    failed = Some(error);
                }
            }
            after = Some(chain);
        }
        failed.map_or(Ok(removed), Err)
    }

    async fn remove_from(&self, chain: Chain, dry_run: bool) -> Result<u64, StoreError> {
        if dry_run {
            let mut unit = self.read().await?;
            return match self.policy_of(&mut unit, chain).await?.kept_for() {
                None => Ok(0),
                Some(kept) => unit.count_removable(chain, self.context.now().minus(kept)).await,
            };
        }
        let mut removed = 0;
        let remove = async |unit: &mut Unit| self.remove_segment(unit, chain).await;
        while let Some(entries) = self.transactions.housekeeping(REASON, remove).await? {
            removed += entries;
        }
        Ok(removed)
    }

    async fn remove_segment(&self, unit: &mut Unit, chain: Chain) -> Result<Option<u64>, StoreError> {
        if let Some(tenant) = chain.0 {
            // A legal hold is set under the same lock: once its request is answered, no more entries are removed.
            unit.lock_tenant(tenant).await?;
        }
        let Some(kept) = self.policy_of(unit, chain).await?.kept_for() else { return Ok(None) };
        remove_oldest_segment(unit, chain, self.context.now().minus(kept)).await
    }

    async fn policy_of(&self, unit: &mut Unit, chain: Chain) -> Result<EffectivePolicy, StoreError> {
        let Some(tenant) = chain.0 else { return Ok(self.retention.without_tenant()) };
        let set = unit.audit_policy_of(tenant).await?;
        let plan = unit.plan_of_chain(chain).await?.unwrap_or_default();
        Ok(self.retention.of_plan(&plan, set))
    }

    async fn read(&self) -> Result<Unit, StoreError> {
        self.transactions.read(Scope::System(REASON)).await
    }
}
