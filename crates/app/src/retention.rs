//! Removing what has been kept for long enough from the journal, segment by segment.

use tenantry_audit::{AuditPolicies, Chain, EffectivePolicy, Seals, remove_oldest_segment};
use tenantry_kernel::{Authorities, StoreError, TenantId};
use tenantry_store::Unit;

use crate::{App, worker::SCOPE};

impl App {
    /// Removes the entries past retention of one tenant, or of everybody, or only counts them.
    pub(crate) async fn remove_old_entries(&self, tenant: Option<TenantId>, dry_run: bool) -> Result<u64, StoreError> {
        if tenant.is_some() {
            return self.remove_from(Chain(tenant), dry_run).await;
        }
        let (mut removed, mut after, mut failed) = (0, None, None);
        while let Some(chain) = self.read(SCOPE).await?.next_sealed_chain(after).await? {
            match self.remove_from(chain, dry_run).await {
                Ok(entries) => removed += entries,
                // One log that is not what it should be keeps nobody else's from being cleaned up.
                Err(error) => {
                    tracing::error!(%chain, %error, "nothing more was removed from a log");
                    failed = Some(error);
                }
            }
            after = Some(chain);
        }
        failed.map_or(Ok(removed), Err)
    }

    async fn remove_from(&self, chain: Chain, dry_run: bool) -> Result<u64, StoreError> {
        if dry_run {
            let mut unit = self.read(SCOPE).await?;
            return match self.policy_of(&mut unit, chain).await?.kept_for() {
                None => Ok(0),
                Some(kept) => unit.count_removable(chain, self.world.now().minus(kept)).await,
            };
        }
        let mut removed = 0;
        loop {
            let mut unit = self.transactions.begin(SCOPE).await?;
            if let Some(tenant) = chain.0 {
                // A legal hold is set under the same lock: once it is answered, nothing more goes.
                unit.lock_tenant(tenant).await?;
            }
            let Some(kept) = self.policy_of(&mut unit, chain).await?.kept_for() else { return Ok(removed) };
            let before = self.world.now().minus(kept);
            let Some(entries) = remove_oldest_segment(&mut unit, chain, before).await? else { return Ok(removed) };
            unit.commit().await?;
            removed += entries;
        }
    }

    async fn policy_of(&self, unit: &mut Unit, chain: Chain) -> Result<EffectivePolicy, StoreError> {
        let retention = self.config.audit.retention();
        let Some(tenant) = chain.0 else { return Ok(retention.without_tenant()) };
        let set = unit.audit_policy_of(tenant).await?;
        let plan = unit.plan_of_chain(chain).await?.unwrap_or_default();
        Ok(retention.of_plan(&plan, set))
    }
}
