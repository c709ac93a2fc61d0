//! The quota, the consumptions of a request and the ports of the counters.

use async_trait::async_trait;
use std::{fmt, num::NonZeroU32, time::Duration};
use tenantry_kernel::{TenantId, UserId};

use crate::Policy;

/// A quota: `limit` requests at once, and as many in each later window, spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateQuota {
    /// Number of requests.
    pub limit: NonZeroU32,
    /// Length of the window, in whole seconds.
    pub window: Duration,
}

impl RateQuota {
    /// Returns the time that one request of weight `weight` takes of the window. A request never takes more than the
    /// whole quota, so that every window admits one request whatever its weight.
    pub fn step(&self, weight: NonZeroU32) -> Duration {
        self.window * weight.min(self.limit).get() / self.limit.get()
    }
}

/// The subject whose requests are counted. The text form begins with the tenant; no part of it is chosen by a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// All callers of a tenant together.
    Tenant(TenantId),
    /// A user in a tenant, or in none.
    Person(Option<TenantId>, UserId),
    /// Callers that are not signed in, by network address; the text is the address, or the network that counts as one
    /// customer.
    Address(String),
}

/// Placeholder for an absent tenant.
const NO_TENANT: &str = "-";

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "{tenant}:tenant"),
            Self::Person(Some(tenant), user) => write!(f, "{tenant}:person:{user}"),
            Self::Person(None, user) => write!(f, "{NO_TENANT}:person:{user}"),
            Self::Address(address) => write!(f, "{NO_TENANT}:address:{address}"),
        }
    }
}

/// One request to count under one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumption {
    /// The policy that clients see.
    pub policy: Policy,
    /// The subject of the count.
    pub key: LimitKey,
    /// The quota. A changed quota resets the counter of the key.
    pub quota: RateQuota,
}

/// State of a counter after a consumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// Number of requests that may come at once now.
    pub remaining: u32,
    /// For a refused request: the time until it would be admitted.
    pub wait: Option<Duration>,
}

/// Result of a list of consumptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumed {
    /// States in the order of the consumptions, up to the first refused one.
    pub statuses: Vec<RateLimitStatus>,
    /// Whether the counter lost its memory less than a window ago and so admits too much.
    pub has_forgotten: bool,
}

impl Consumed {
    /// Returns whether no consumption was refused.
    pub fn is_admitted(&self) -> bool {
        self.statuses.iter().all(|status| status.wait.is_none())
    }
}

/// Reasons why nothing was counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimiterError {
    /// The limiter was not asked, because it has recently failed to answer.
    #[error("the limiter is bypassed")]
    Bypassed,
    /// The limiter returned an error or no answer in time.
    #[error("the limiter failed: {0}")]
    Failed(String),
}

/// Port: counts requests, for one process or for several.
///
/// Consumptions are processed in order. The first refused consumption ends the list: it and those after it count nothing, those
/// before it have counted. With `weight` each request counts as that many, but never as more than its whole quota.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Counts a request under each policy.
    async fn consume(&self, consumptions: &[Consumption], weight: NonZeroU32) -> Result<Consumed, LimiterError>;
}

/// Port: counts the requests of this process in memory. Keeps the promises of [`Limiter`] and cannot fail.
pub trait LocalFallback: Send + Sync {
    /// Counts a request under each policy.
    fn consume(&self, consumptions: &[Consumption], weight: NonZeroU32) -> Consumed;

    /// Forgets callers that have their whole quota again. Call it every few seconds, since this bounds the memory.
    fn forget_idle(&self);
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn te5_a_key_of_a_limit_begins_with_the_tenant() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (tenant, user) = (TenantId::from_uuid(one), UserId::from_uuid(two));
        let keys = [
            (LimitKey::Tenant(tenant), format!("{one}:tenant")),
            (LimitKey::Person(Some(tenant), user), format!("{one}:person:{two}")),
            (LimitKey::Person(None, user), format!("-:person:{two}")),
            (LimitKey::Address("2001:db8:0:1::/64".to_owned()), "-:address:2001:db8:0:1::/64".to_owned()),
        ];
        for (key, text) in keys {
            assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn no_request_takes_more_than_its_window() {
        let of = |number| NonZeroU32::new(number).expect("not zero");
        let quota = RateQuota { limit: of(100), window: Duration::from_secs(60) };
        for (weight, millis) in [(1, 600), (3, 1_800), (100, 60_000), (101, 60_000), (u32::MAX, 60_000)] {
            assert_eq!(quota.step(of(weight)), Duration::from_millis(millis), "{weight}");
        }
    }
}
