//! Quotas of the plans.

use std::{num::NonZeroU32, time::Duration};
use tenantry_kernel::{TenantId, UserId};

use crate::{Consumption, LimitKey, RateQuota};

/// A policy that clients see by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Per user, and per network address for callers that are not signed in.
    Caller,
    /// For all callers of a tenant together.
    Tenant,
}

impl Policy {
    /// Returns the public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Tenant => "tenant",
        }
    }
}

/// Requests per minute that a plan allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanQuotas {
    /// Per user of a tenant.
    pub caller: NonZeroU32,
    /// For all callers of a tenant together.
    pub tenant: NonZeroU32,
}

/// The configured requests per minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// For the network address of a caller that is not signed in, and for a user in no tenant.
    pub without_plan: NonZeroU32,
    /// By plan, the smallest first.
    pub plans: Vec<(&'static str, PlanQuotas)>,
}

impl Policies {
    /// The window of every policy.
    pub const WINDOW: Duration = Duration::from_secs(60);

    /// Returns the consumptions of a request from a network address whose caller is not yet known.
    pub fn of_address(&self, address: String) -> Vec<Consumption> {
        vec![self.consumption(Policy::Caller, LimitKey::Address(address), self.without_plan)]
    }

    /// Returns the consumptions of a request by a user in no tenant.
    pub fn of_person(&self, user: UserId) -> Vec<Consumption> {
        vec![self.consumption(Policy::Caller, LimitKey::Person(None, user), self.without_plan)]
    }

    /// Returns the consumptions of a request by a user in a tenant on this plan. On an unknown plan a tenant has the quota
    /// of one user without a plan.
    pub fn of_member(&self, tenant: TenantId, user: UserId, plan: &str) -> Vec<Consumption> {
        let without_plan = PlanQuotas { caller: self.without_plan, tenant: self.without_plan };
        let quotas = self.plans.iter().find(|(name, _)| *name == plan).map_or(without_plan, |(_, quotas)| *quotas);
        vec![
            self.consumption(Policy::Caller, LimitKey::Person(Some(tenant), user), quotas.caller),
            self.consumption(Policy::Tenant, LimitKey::Tenant(tenant), quotas.tenant),
        ]
    }

    fn consumption(&self, policy: Policy, key: LimitKey, limit: NonZeroU32) -> Consumption {
        Consumption { policy, key, quota: RateQuota { limit, window: Self::WINDOW } }
    }
}
