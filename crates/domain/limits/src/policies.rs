//! How much a plan allows.

use std::{num::NonZeroU32, time::Duration};
use tenantry_kernel::{TenantId, UserId};

use crate::{Charge, Key, Quota};

/// What a client is told of by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// For each person, and for each address of people who are not signed in.
    Caller,
    /// For everybody of a tenant together.
    Tenant,
}

impl Policy {
    /// Its public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Tenant => "tenant",
        }
    }
}

/// Requests in a minute that a plan allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanQuotas {
    /// To each person of a tenant.
    pub caller: NonZeroU32,
    /// To everybody of a tenant together.
    pub tenant: NonZeroU32,
}

/// How many requests in a minute are allowed to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// To an address of people who are not signed in, and to a person in no tenant.
    pub without_plan: NonZeroU32,
    /// By the name of the plan, the smallest first.
    pub plans: Vec<(&'static str, PlanQuotas)>,
}

impl Policies {
    /// The window of every policy.
    pub const WINDOW: Duration = Duration::from_secs(60);

    /// What a request from an address counts as, before it is known whose it is.
    pub fn of_address(&self, address: String) -> Vec<Charge> {
        vec![self.charge(Policy::Caller, Key::Address(address), self.without_plan)]
    }

    /// What a request of a person counts as who is in no tenant.
    pub fn of_person(&self, user: UserId) -> Vec<Charge> {
        vec![self.charge(Policy::Caller, Key::Person(None, user), self.without_plan)]
    }

    /// What a request of a person counts as in a tenant on that plan. On a plan that is not known a tenant has as much as one
    /// person without a plan.
    pub fn of_member(&self, tenant: TenantId, user: UserId, plan: &str) -> Vec<Charge> {
        let without_plan = PlanQuotas { caller: self.without_plan, tenant: self.without_plan };
        let quotas = self.plans.iter().find(|(name, _)| *name == plan).map_or(without_plan, |(_, quotas)| *quotas);
        vec![
            self.charge(Policy::Caller, Key::Person(Some(tenant), user), quotas.caller),
            self.charge(Policy::Tenant, Key::Tenant(tenant), quotas.tenant),
        ]
    }

    fn charge(&self, policy: Policy, key: Key, limit: NonZeroU32) -> Charge {
        Charge { policy, key, quota: Quota { limit, window: Self::WINDOW } }
    }
}
