//! Checks that tenants take turns, as far as one worker that remembers its turn can see:
//!
//! - in one claim, no tenant gets two jobs more than another that could have given more;
//! - no tenant has two turns while another waits that could have given a job each time;
//! - such a tenant waits at most once for each of the others, whether or not they could give a job: a claim passes as
//!   many of them as it asks for jobs.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Checked, TenantKey, ensure};

/// The jobs that one claim, with its limit, returned for each tenant key.
#[derive(Debug)]
pub(super) struct Shares {
    /// How many jobs each tenant key could give; tenant keys without any are left out.
    pub(super) able: BTreeMap<TenantKey, u32>,
    pub(super) got: BTreeMap<TenantKey, u32>,
    pub(super) limit: usize,
    /// Number of tenant keys.
    pub(super) tenant_keys: usize,
}

/// How long a tenant key has waited.
#[derive(Debug, Clone, Default)]
struct Wait {
    /// The tenant keys that had a turn meanwhile.
    served: BTreeSet<TenantKey>,
    /// Number of jobs that were asked for meanwhile.
    asked: usize,
}

/// Lanes that could have given a job to the last claim of a worker and were passed over.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits(BTreeMap<TenantKey, Wait>);

impl Waits {
    /// Records the tenant keys that wait now, and returns whether there are any.
    pub(super) fn check(&mut self, shares: &Shares) -> Checked<bool> {
        let Shares { able, got, limit, tenant_keys } = shares;
        let most = got.values().copied().max().unwrap_or_default();
        for (tenant_key, able) in able {
            let got = got.get(tenant_key).copied().unwrap_or_default();
            ensure(got + 1 >= most.min(able + 1), || format!("no equal share had {tenant_key:?} in {shares:?}"))?;
        }
        self.0.retain(|tenant_key, _| able.contains_key(tenant_key) && !got.contains_key(tenant_key));
        for tenant_key in able.keys().filter(|tenant_key| !got.contains_key(*tenant_key)) {
            let wait = self.0.entry(*tenant_key).or_default();
            wait.asked += limit;
            ensure(wait.asked < *tenant_keys, || {
                format!("{tenant_key:?} has waited for more than one round: {wait:?}, {shares:?}")
            })?;
            for served in got.keys() {
                ensure(wait.served.insert(*served), || {
                    format!("{served:?} had its turn twice while {tenant_key:?} waited: {shares:?}")
                })?;
            }
        }
        Ok(!self.0.is_empty())
    }
}
