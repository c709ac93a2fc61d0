//! Plans. Limits are looked up by the plan's name.

/// A plan that a tenant subscribes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The public name.
    pub name: &'static str,
    /// One sentence for the operator who chooses.
    pub description: &'static str,
}

/// All plans, the smallest first. New tenants start on the first.
pub const PLANS: &[Plan] = &[
    Plan { name: "starter", description: "For a small team that evaluates the product." },
    Plan { name: "pro", description: "For a company that uses the product every day." },
    Plan { name: "enterprise", description: "For an organisation with compliance requirements." },
];

/// No plan has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this plan does not exist; the plans are starter, pro and enterprise")]
pub struct UnknownPlan;

impl Plan {
    /// Returns the plan on which new tenants start.
    pub const fn first() -> &'static Self {
        &PLANS[0]
    }

    /// Returns the plan with this name.
    pub fn named(name: &str) -> Result<&'static Self, UnknownPlan> {
        PLANS.iter().find(|plan| plan.name == name).ok_or(UnknownPlan)
    }

    /// Returns the plan with this stored name. One that only a newer program knows counts as the smallest.
    pub fn from_stored(name: &str) -> &'static Self {
        Self::named(name).unwrap_or(Self::first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_lists_every_plan() {
        for plan in PLANS {
            assert!(UnknownPlan.to_string().contains(plan.name));
            assert_eq!(Plan::named(plan.name), Ok(plan));
        }
        assert_eq!(Plan::named("gold"), Err(UnknownPlan));
    }
}
