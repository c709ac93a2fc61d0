//! Header fields of rate limits.

use std::{fmt::Write as _, num::NonZeroU32, time::Duration};

use crate::{Consumed, Consumption, DecidedBy, RateQuota};

/// The decision about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitDecision {
    /// The counter that decided.
    pub decided_by: DecidedBy,
    consumptions: Vec<Consumption>,
    consumed: Consumed,
    weight: NonZeroU32,
}

impl RateLimitDecision {
    pub(crate) fn new(
        consumptions: Vec<Consumption>,
        consumed: Consumed,
        weight: NonZeroU32,
        decided_by: DecidedBy,
    ) -> Self {
        Self { decided_by, consumptions, consumed, weight }
    }

    /// Returns whether the request is admitted.
    pub fn is_admitted(&self) -> bool {
        self.consumed.is_admitted()
    }

    /// Returns the first refused consumption, if any.
    pub fn refused(&self) -> Option<&Consumption> {
        let place = self.consumed.statuses.iter().position(|status| status.wait.is_some())?;
        self.consumptions.get(place)
    }

    /// Returns the value of `RateLimit-Policy`: every policy with its quota `q` and its window `w` in seconds.
    ///
    /// The value is a list of strings with parameters (RFC 9651, section 3.1), as in
    /// draft-ietf-httpapi-ratelimit-headers-10.
    pub fn policy_field(&self) -> String {
        let mut field = String::with_capacity(64);
        for consumption in &self.consumptions {
            let separator = if field.is_empty() { "" } else { ", " };
            let (name, RateQuota { limit, window }) = (consumption.policy.name(), consumption.quota);
            let _infallible = write!(field, "{separator}\"{name}\";q={limit};w={}", window.as_secs());
        }
        field
    }

    /// Returns the value of `RateLimit`: for each counted policy the remaining requests `r` and the seconds `t` until
    /// more are available.
    pub fn field(&self) -> String {
        let mut field = String::with_capacity(64);
        for (place, status) in self.consumed.statuses.iter().enumerate() {
            let separator = if field.is_empty() { "" } else { ", " };
            let (name, remaining) = (self.consumptions[place].policy.name(), status.remaining);
            let _infallible = write!(field, "{separator}\"{name}\";r={remaining};t={}", self.reset_seconds(place));
        }
        field
    }

    /// Returns the seconds for `Retry-After`, never fewer than [`RateLimitDecision::field()`] states.
    pub fn retry_after_seconds(&self) -> u64 {
        (0..self.consumed.statuses.len()).map(|place| self.reset_seconds(place)).max().unwrap_or(1)
    }

    /// Returns the seconds until more requests are available: the wait of a refused request, or else at most the time
    /// that one request takes of the window.
    fn reset_seconds(&self, place: usize) -> u64 {
        let step = self.consumptions[place].quota.step(self.weight);
        whole_seconds(self.consumed.statuses[place].wait.unwrap_or(step))
    }
}

/// Rounds up to whole seconds, at least one.
fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PlanQuotas, Policies, RateLimitStatus};
    use tenantry_kernel::{TenantId, UserId};
    use uuid::Uuid;

    fn of(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("not zero")
    }

    fn decision(statuses: &[RateLimitStatus]) -> RateLimitDecision {
        let quotas = PlanQuotas { caller: of(100), tenant: of(7) };
        let policies = Policies { without_plan: of(100), plans: vec![("starter", quotas)] };
        let id = Uuid::from_u128(1);
        let consumptions = policies.of_member(TenantId::from_uuid(id), UserId::from_uuid(id), "starter");
        let consumed = Consumed { statuses: statuses.to_vec(), has_forgotten: false };
        RateLimitDecision::new(consumptions, consumed, NonZeroU32::MIN, DecidedBy::LocalFallback)
    }

    #[test]
    fn what_remains_is_told_of_each_policy() {
        let status = |remaining| RateLimitStatus { remaining, wait: None };
        let decision = decision(&[status(99), status(0)]);
        assert!(decision.is_admitted() && decision.refused().is_none());
        assert_eq!(decision.policy_field(), r#""caller";q=100;w=60, "tenant";q=7;w=60"#);
        assert_eq!(decision.field(), r#""caller";r=99;t=1, "tenant";r=0;t=9"#);
    }

    #[test]
    fn nobody_is_asked_to_come_again_earlier_than_the_field_says() {
        let wait = Some(Duration::from_millis(400));
        let refused = decision(&[RateLimitStatus { remaining: 0, wait }]);
        assert_eq!(refused.field(), r#""caller";r=0;t=1"#);
        assert_eq!(refused.retry_after_seconds(), 1);
        let wait = Some(Duration::from_millis(8_001));
        let refused = decision(&[RateLimitStatus { remaining: 5, wait: None }, RateLimitStatus { remaining: 0, wait }]);
        assert_eq!(refused.field(), r#""caller";r=5;t=1, "tenant";r=0;t=9"#);
        assert_eq!(refused.retry_after_seconds(), 9);
        assert_eq!(refused.refused().map(|consumption| consumption.policy.name()), Some("tenant"));
    }
}
