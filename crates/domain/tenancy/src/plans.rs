//! Plans are data: what a tenant may use is looked up by the plan's name.

/// What a tenant has subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The public name.
    pub name: &'static str,
    /// One sentence for the operator who chooses.
    pub description: &'static str,
}

/// Every plan, the smallest first: new tenants start on it.
pub const PLANS: &[Plan] = &[
    Plan { name: "starter", description: "For a small team that tries the product." },
    Plan { name: "pro", description: "For a company that works with it every day." },
    Plan { name: "enterprise", description: "For an organisation with obligations of its own." },
];

/// No plan has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such plan; the plans are starter, pro and enterprise")]
pub struct UnknownPlan;

impl Plan {
    /// The plan that new tenants start on.
    pub const fn first() -> &'static Self {
        &PLANS[0]
    }

    /// The plan of that name.
    pub fn named(name: &str) -> Result<&'static Self, UnknownPlan> {
        PLANS.iter().find(|plan| plan.name == name).ok_or(UnknownPlan)
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
