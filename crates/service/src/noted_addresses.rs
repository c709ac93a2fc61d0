//! Remembers in this process which addresses of sessions are recorded as known, so that a refresh seldom writes one.

use moka::sync::Cache;
use std::{net::IpAddr, time::Duration};
use tenantry_identity::{ADDRESS_NOTED_FOR, address_key};
use tenantry_kernel::SessionId;

/// The addresses at which sessions were refreshed lately. A forgotten one costs a refresh two statements more.
pub struct NotedAddresses(Cache<(SessionId, String), ()>);

impl NotedAddresses {
    const ADDRESSES: u64 = 100_000;

    /// Creates an empty list.
    pub fn new() -> Self {
        Self::with_lifetime(ADDRESS_NOTED_FOR)
    }

    fn with_lifetime(lifetime: Duration) -> Self {
        Self(Cache::builder().max_capacity(Self::ADDRESSES).time_to_live(lifetime).build())
    }

    /// Returns whether this process recorded the address for the session within [`ADDRESS_NOTED_FOR`].
    pub fn contains(&self, session: SessionId, ip: Option<IpAddr>) -> bool {
        self.0.contains_key(&(session, address_key(ip)))
    }

    /// Notes that the address is recorded, unless that is noted already: a noted address is recorded again in time,
    /// however often the session is refreshed.
    pub fn insert(&self, session: SessionId, ip: Option<IpAddr>) {
        self.0.entry((session, address_key(ip))).or_insert(());
    }
}

impl Default for NotedAddresses {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;
    use uuid::Uuid;

    #[test]
    fn si2_an_address_is_recorded_again_in_time_however_often_its_session_is_refreshed() {
        let lifetime = Duration::from_millis(200);
        let (noted, session) = (NotedAddresses::with_lifetime(lifetime), SessionId::from_uuid(Uuid::from_u128(1)));
        noted.insert(session, None);
        sleep(lifetime * 3 / 5);
        noted.insert(session, None);
        sleep(lifetime * 3 / 5);
        assert!(!noted.contains(session, None));
    }
}
