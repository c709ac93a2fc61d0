//! Retention of a tenant's entries: at least the plan's retention, and unlimited under a legal hold.

use async_trait::async_trait;
use std::{collections::BTreeMap, time::Duration};
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, Event, Journal, Requirement, StoreError, TenantId, authorize,
};

use crate::{AuditError, Chain, vocabulary::AUDIT_POLICY_CHANGED};

/// Maximum retention in days: a hundred years.
pub const MAX_RETENTION_DAYS: u32 = 36_500;

/// The settings of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditPolicy {
    /// Retention in days; `None` means the plan's.
    pub retention_days: Option<u32>,
    /// Whether no entry is removed, however old.
    pub legal_hold: bool,
}

/// The policy that applies: the tenant's settings, or the plan's retention where that is longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectivePolicy {
    /// Retention in days.
    pub retention_days: u32,
    /// Whether no entry is removed, however old.
    pub legal_hold: bool,
}

impl EffectivePolicy {
    /// Returns the retention; `None` means unlimited.
    pub fn kept_for(self) -> Option<Duration> {
        (!self.legal_hold).then(|| Duration::from_secs(u64::from(self.retention_days) * 24 * 60 * 60))
    }
}

/// Configured retention in days.
#[derive(Debug, Clone)]
pub struct Retention {
    /// By plan.
    pub plans: BTreeMap<String, u32>,
    /// For entries without a tenant.
    pub without_tenant: u32,
}

impl Retention {
    /// Returns the policy of a tenant on this plan. A plan that is not listed has the longest configured retention.
    pub fn of_plan(&self, plan: &str, set: AuditPolicy) -> EffectivePolicy {
        let least = self.days_of_plan(plan);
        EffectivePolicy { retention_days: set.retention_days.unwrap_or(least).max(least), legal_hold: set.legal_hold }
    }

    /// Returns the policy for entries without a tenant.
    pub fn without_tenant(&self) -> EffectivePolicy {
        EffectivePolicy { retention_days: self.without_tenant, legal_hold: false }
    }

    fn days_of_plan(&self, plan: &str) -> u32 {
        let longest = || self.plans.values().copied().max().unwrap_or(MAX_RETENTION_DAYS);
        self.plans.get(plan).copied().unwrap_or_else(longest)
    }
}

/// Port: stores policies. Every method sees the unit's tenant only.
#[async_trait]
pub trait AuditPolicies: Send {
    /// Returns the tenant's settings; the default for a tenant that has set none.
    async fn audit_policy_of(&mut self, tenant: TenantId) -> Result<AuditPolicy, StoreError>;

    /// Stores the tenant's settings.
    async fn put_audit_policy(&mut self, tenant: TenantId, policy: AuditPolicy) -> Result<(), StoreError>;

    /// Returns the plan of the tenant whose log the chain covers; `None` when the tenant no longer exists.
    async fn plan_of_chain(&mut self, chain: Chain) -> Result<Option<String>, StoreError>;
}

/// Change the retention policy. `None` leaves a setting as it is.
#[derive(Debug, Clone, Copy)]
pub struct ChangeAuditPolicy {
    /// Retention in days; the inner `None` returns to the plan's.
    pub retention_days: Option<Option<u32>>,
    /// Whether to keep every entry.
    pub legal_hold: Option<bool>,
}

impl Command for ChangeAuditPolicy {
    const REQUIRES: Requirement = Requirement::Owner;
    const EVENTS: &'static [Action] = &[AUDIT_POLICY_CHANGED];
    const LOCKS_TENANT: bool = true;
}

/// Changes the retention policy of the acting owner's tenant. Fails with [`AuditError::RetentionTooShort`] when the
/// retention is shorter than the plan's.
pub async fn change_audit_policy(
    unit: &mut (impl AuditPolicies + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    retention: &Retention,
    command: ChangeAuditPolicy,
) -> Result<EffectivePolicy, AuditError> {
    let authority = authorize::<ChangeAuditPolicy>(unit, actor, context).await?;
    let tenant = authority.active_tenant()?;
    let set_before = unit.audit_policy_of(tenant.id).await?;
    let set = AuditPolicy {
        retention_days: command.retention_days.unwrap_or(set_before.retention_days),
        legal_hold: command.legal_hold.unwrap_or(set_before.legal_hold),
    };
    let least = retention.days_of_plan(&tenant.plan);
    if let Some(Some(days)) = command.retention_days
        && days < least
    {
        return Err(AuditError::RetentionTooShort { least });
    }
    let (before, after) = (retention.of_plan(&tenant.plan, set_before), retention.of_plan(&tenant.plan, set));
    if set == set_before {
        return Ok(after);
    }
    unit.put_audit_policy(tenant.id, set).await?;
    let hold = |policy: EffectivePolicy| if policy.legal_hold { "true" } else { "false" };
    let event = Event::new(context, actor, AUDIT_POLICY_CHANGED)
        .target(tenant.id, Some(tenant.name.as_str()))
        .changed("retentionDays", i64::from(before.retention_days), i64::from(after.retention_days))
        .changed("legalHold", hold(before), hold(after));
    unit.append_event(event).await?;
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_a_floor_and_a_hold_is_for_ever() {
        let plans = BTreeMap::from([("starter".to_owned(), 90), ("enterprise".to_owned(), 2555)]);
        let retention = Retention { plans, without_tenant: 365 };
        let days = |plan, retention_days| {
            retention.of_plan(plan, AuditPolicy { retention_days, legal_hold: false }).retention_days
        };
        assert_eq!(days("starter", None), 90);
        assert_eq!(days("starter", Some(400)), 400);
        assert_eq!(days("enterprise", Some(400)), 2555, "a tenant that has moved to a greater plan");
        assert_eq!(days("unheard of", None), 2555);
        let held = AuditPolicy { retention_days: None, legal_hold: true };
        assert_eq!(retention.of_plan("starter", held).kept_for(), None);
        assert_eq!(retention.without_tenant().kept_for(), Some(Duration::from_hours(365 * 24)));
    }
}
