//! Values cached beside the database, with their lifetimes and the changes that invalidate them. The list of its uses is complete; addresses
//! already recorded as known are beside it, in [`crate::NotedAddresses`]:
//!
//! | use | what | lives | forgotten when |
//! |---|---|---|---|
//! | `role-holders` | how many members hold each of some roles | 1 s | any role assignment of the tenant changes (`Committed::role_assignment_changes`) |
//!
//! No decision depends on a cached value: only [`crate::authority`] decides what a user may do. A user who changes a
//! value sees the change at the next request to the same process. Other processes learn of it through the cache that
//! they share. Where they cannot, their values expire after a second.

use metrics::{counter, histogram};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tenantry_cache::{Cache, CacheError, CacheKey, Lookup, Prefix, Use};
use tenantry_kernel::{RoleId, TenantId};
use tenantry_store::Scope;
use tenantry_tenancy::Roles;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

use crate::{ServiceError, reader::Reader};

/// Number of members per role.
const ROLE_HOLDERS: Use = Use { name: "role-holders", version: 1, ttl: Duration::from_secs(1) };

/// Counts how many members hold each role, with a cache in front of the store. Cloning is cheap.
#[derive(Clone)]
pub struct AssignmentCounts {
    cached: Arc<Caching>,
    reader: Reader,
}

impl AssignmentCounts {
    /// Counts with this reader where the cache has no value. Tasks that the cache starts are tracked in `tasks`.
    pub fn new(cache: Arc<dyn Cache>, reader: Reader, tasks: TaskTracker) -> Self {
        Self { cached: Arc::new(Caching::new(cache, tasks)), reader }
    }

    /// Returns the number of members that hold each of these roles of the scope's tenant. A role without members may be
    /// absent.
    pub async fn of_roles(&self, roles: &[RoleId], scope: Scope) -> Result<Vec<(RoleId, u64)>, ServiceError> {
        let load = async || Ok(self.reader.open(scope).await?.count_holders(roles).await?);
        let Scope::Tenant { tenant, .. } = scope else { return load().await };
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let mut digest = Sha256::new();
        roles.iter().for_each(|role| digest.update(role.uuid().as_bytes()));
        let key = Prefix::new(&ROLE_HOLDERS, tenant).key([hex(&digest.finalize()).as_str()]);
        self.cached.read(&key, load).await
    }

    /// Invalidates the counts of a tenant, because its role assignments have changed.
    pub fn forget(&self, tenant: TenantId) {
        self.cached.forget(Prefix::new(&ROLE_HOLDERS, tenant));
    }
}

/// Reads values through the cache. Only one caller at a time loads a value, and a failure of the cache never fails a
/// read.
struct Caching {
    cache: Arc<dyn Cache>,
    tasks: TaskTracker,
    flights: Mutex<HashMap<Flight, Arc<Landed>>>,
    /// Indexed by the hash of the prefix. Prefixes that share a slot are sometimes bypassed without need.
    forgettings: Box<[Forgetting]>,
    hasher: RandomState,
}

/// A load and the number of earlier invalidations of its prefix, so that a caller after a change never joins a load
/// from before the change.
type Flight = (String, u64);

/// The result of a load, once it has finished.
type Landed = OnceCell<Arc<[u8]>>;

#[derive(Default)]
struct Forgetting {
    times: AtomicU64,
    /// Deletions that the cache has not confirmed.
    under_way: AtomicU32,
}

impl Caching {
    const FORGETTINGS: usize = 1 << 10;

    fn new(cache: Arc<dyn Cache>, tasks: TaskTracker) -> Self {
        Self {
            cache,
            tasks,
            flights: Mutex::default(),
            forgettings: (0..Self::FORGETTINGS).map(|_| Forgetting::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    fn forgetting(&self, prefix: &Prefix) -> &Forgetting {
        &self.forgettings[self.hasher.hash_one(prefix.as_str()) as usize % Self::FORGETTINGS]
    }

    /// Returns the cached value or else the loaded one, which is stored in a separate task.
    async fn read<T: Serialize + DeserializeOwned>(
        &self,
        key: &CacheKey,
        load: impl AsyncFnOnce() -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let forgetting = self.forgetting(key.prefix());
        let times = forgetting.times.load(Ordering::Acquire);
        if forgetting.under_way.load(Ordering::Acquire) > 0 {
            count(key, "bypassed");
            return load().await;
        }
        let flight = (key.as_str().to_owned(), times);
        let cell =
            self.flights.lock().unwrap_or_else(PoisonError::into_inner).entry(flight.clone()).or_default().clone();
        let landing = Landing { caching: self, flight, cell: cell.clone() };
        let bytes = cell.get_or_try_init(|| self.find_or_load(key, load)).await?;
        drop(landing);
        serde_json::from_slice(bytes).map_err(ServiceError::internal)
    }

    async fn find_or_load<T: Serialize + DeserializeOwned>(
        &self,
        key: &CacheKey,
        load: impl AsyncFnOnce() -> Result<T, ServiceError>,
    ) -> Result<Arc<[u8]>, ServiceError> {
        let began = Instant::now();
        let found = self.cache.get(key).await;
        histogram!("tenantry_cache_lookup_seconds", "use" => key.prefix().usage().name).record(began.elapsed());
        let stamp = match found {
            Ok(Lookup::Hit(bytes)) if serde_json::from_slice::<T>(&bytes).is_ok() => {
                count(key, "hit");
                return Ok(bytes.into());
            }
            Ok(Lookup::Hit(_)) => {
                count(key, "error");
                None
            }
            Ok(Lookup::Miss(stamp)) => {
                count(key, "miss");
                Some(stamp)
            }
            Err(CacheError::Bypassed) => {
                count(key, "bypassed");
                None
            }
            Err(CacheError::Failed(_)) => {
                count(key, "error");
                None
            }
        };
        let bytes: Arc<[u8]> = serde_json::to_vec(&load().await?).map_err(ServiceError::internal)?.into();
        if let Some(stamp) = stamp {
            let (cache, key, bytes) = (self.cache.clone(), key.clone(), bytes.clone());
            tokio::spawn(self.tasks.track_future(async move {
                // The cache records its failures itself, and no caller waits for the result.
                let _ = cache.set(&key, &stamp, &bytes).await;
            }));
        }
        Ok(bytes)
    }

    /// Invalidates a prefix. After the return this process serves no earlier value; other processes follow as soon as
    /// the message reaches them.
    fn forget(self: &Arc<Self>, prefix: Prefix) {
        let forgetting = self.forgetting(&prefix);
        forgetting.under_way.fetch_add(1, Ordering::AcqRel);
        forgetting.times.fetch_add(1, Ordering::AcqRel);
        let caching = self.clone();
        tokio::spawn(self.tasks.track_future(async move {
            // After a failure the cache bypasses itself until it holds no earlier value any more.
            let _ = caching.cache.delete_prefix(&prefix).await;
            caching.forgetting(&prefix).under_way.fetch_sub(1, Ordering::AcqRel);
        }));
    }
}

/// Removes a load from the list when it has ended, also when its caller was cancelled.
struct Landing<'a> {
    caching: &'a Caching,
    flight: Flight,
    cell: Arc<Landed>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut flights = self.caching.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = flights.get(&self.flight).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // The list's reference, the two of this caller, and those of callers that still wait after a failed load.
        let is_last = Arc::strong_count(&self.cell) <= 3;
        if is_ours && (self.cell.initialized() || is_last) {
            flights.remove(&self.flight);
        }
    }
}

fn count(key: &CacheKey, result: &'static str) {
    counter!("tenantry_cache_requests_total", "use" => key.prefix().usage().name, "result" => result).increment(1);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
