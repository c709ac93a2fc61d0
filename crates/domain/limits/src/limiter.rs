//! Counting requests: what is charged, and the ports of those who count.

use async_trait::async_trait;
use std::{fmt, num::NonZeroU32, time::Duration};
use tenantry_kernel::{TenantId, UserId};

use crate::Policy;

/// So many requests at once, and as many in each window after that, spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    /// How many.
    pub limit: NonZeroU32,
    /// In how much time: whole seconds.
    pub window: Duration,
}

impl Quota {
    /// The time that one request takes of the window, where each counts `weight` times. No request counts more than the
    /// whole quota, so that one is let through in each window however many times it counts.
    pub fn step(&self, weight: NonZeroU32) -> Duration {
        self.window * weight.min(self.limit).get() / self.limit.get()
    }
}

/// Whose requests are counted. As text it begins with the tenant, and no part of it is chosen by a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// Everybody of a tenant together.
    Tenant(TenantId),
    /// A person in a tenant, or in none.
    Person(Option<TenantId>, UserId),
    /// Whoever calls from an address without being signed in; as text it is what counts as one customer's.
    Address(String),
}

/// Stands where a tenant would.
const NO_TENANT: &str = "-";

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "{tenant}:tenant"),
            Self::Person(Some(tenant), user) => write!(f, "{tenant}:person:{user}"),
            Self::Person(None, user) => write!(f, "{NO_TENANT}:person:{user}"),
            Self::Address(address) => write!(f, "{NO_TENANT}:address:{address}"),
        }
    }
}

/// A request to be counted under one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// By what name clients are told of it.
    pub policy: Policy,
    /// Whose request it is.
    pub key: Key,
    /// How many they may send. A key begins anew when this changes.
    pub quota: Quota,
}

/// How somebody stands after a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many more may come at once.
    pub remaining: u32,
    /// If the request was refused, how long it is until it would not have been.
    pub wait: Option<Duration>,
}

/// What became of charges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// In the order of the charges, up to the first that was refused.
    pub standings: Vec<Standing>,
    /// Whether the counter has lost its memory less than a window ago, so that it has let through what it should not.
    pub has_forgotten: bool,
}

impl Charged {
    /// Whether nothing was refused.
    pub fn is_admitted(&self) -> bool {
        self.standings.iter().all(|standing| standing.wait.is_none())
    }
}

/// Why nothing was counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimiterError {
    /// It was not asked, because it does not answer of late.
    #[error("the limiter is by-passed")]
    Bypassed,
    /// It was asked and did not answer well, or not in time.
    #[error("the limiter failed: {0}")]
    Failed(String),
}

/// Counts requests, for this process or for several.
///
/// Charges are tried in order. The first that is refused ends it: it counts nothing, nor do those after it; those before it
/// have counted. With `weight` each request counts as so many, though never as more than its whole quota.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Counts a request under each policy.
    async fn charge(&self, charges: &[Charge], weight: NonZeroU32) -> Result<Charged, LimiterError>;
}

/// Counts the requests of this process in its memory. It keeps what [`Limiter`] promises, and cannot fail.
pub trait Twin: Send + Sync {
    /// Counts a request under each policy.
    fn charge(&self, charges: &[Charge], weight: NonZeroU32) -> Charged;

    /// Forgets whoever has their whole quota again. To be called every few seconds, since it bounds the memory.
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
            (Key::Tenant(tenant), format!("{one}:tenant")),
            (Key::Person(Some(tenant), user), format!("{one}:person:{two}")),
            (Key::Person(None, user), format!("-:person:{two}")),
            (Key::Address("2001:db8:0:1::/64".to_owned()), "-:address:2001:db8:0:1::/64".to_owned()),
        ];
        for (key, text) in keys {
            assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn no_request_takes_more_than_its_window() {
        let of = |number| NonZeroU32::new(number).expect("not zero");
        let quota = Quota { limit: of(100), window: Duration::from_secs(60) };
        for (weight, millis) in [(1, 600), (3, 1_800), (100, 60_000), (101, 60_000), (u32::MAX, 60_000)] {
            assert_eq!(quota.step(of(weight)), Duration::from_millis(millis), "{weight}");
        }
    }
}
