//! Remembers in this process which addresses of sessions are recorded as known, so that a refresh seldom writes one.

use moka::sync::Cache;
use std::net::IpAddr;
use tenantry_identity::{ADDRESS_NOTED_FOR, address_key};
use tenantry_kernel::SessionId;

/// The addresses at which sessions were refreshed lately. A forgotten one costs a refresh two statements more.
pub struct NotedAddresses(Cache<(SessionId, String), ()>);

impl NotedAddresses {
    const ADDRESSES: u64 = 100_000;

    /// Creates an empty list.
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(Self::ADDRESSES).time_to_live(ADDRESS_NOTED_FOR).build())
    }

    /// Returns whether this process recorded the address for the session within [`ADDRESS_NOTED_FOR`].
    pub fn contains(&self, session: SessionId, ip: Option<IpAddr>) -> bool {
        self.0.contains_key(&(session, address_key(ip)))
    }

    /// Notes that the address is recorded.
    pub fn insert(&self, session: SessionId, ip: Option<IpAddr>) {
        self.0.insert((session, address_key(ip)), ());
    }
}

impl Default for NotedAddresses {
    fn default() -> Self {
        Self::new()
    }
}
