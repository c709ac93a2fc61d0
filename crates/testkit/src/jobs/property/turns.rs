//! The promise that tenants take turns, as far as one worker that remembers its turn can see it:
//!
//! - of one claim, no tenant gets two jobs more than another that could have given more;
//! - no tenant has its turn twice while another waits that could have given a job each time;
//! - such a tenant waits for each of the others once at most, whether or not they could give anything: a claim goes by
//!   as many of them as it asks for jobs.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Checked, Lane, ensure};

/// What a claim of at most so many jobs has brought each lane.
#[derive(Debug)]
pub(super) struct Shares {
    /// How many jobs each could give; those that could give none are left out.
    pub(super) able: BTreeMap<Lane, u32>,
    pub(super) got: BTreeMap<Lane, u32>,
    pub(super) limit: usize,
    /// How many lanes there are.
    pub(super) lanes: usize,
}

/// How long a lane has waited.
#[derive(Debug, Clone, Default)]
struct Wait {
    /// Who had a turn meanwhile.
    served: BTreeSet<Lane>,
    /// How many jobs were asked for meanwhile.
    asked: usize,
}

/// Those who could have given a job to the last claim of a worker, and were passed over.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits(BTreeMap<Lane, Wait>);

impl Waits {
    /// Notes who waits now, and says whether anybody does.
    pub(super) fn check(&mut self, shares: &Shares) -> Checked<bool> {
        let Shares { able, got, limit, lanes } = shares;
        let most = got.values().copied().max().unwrap_or_default();
        for (lane, able) in able {
            let got = got.get(lane).copied().unwrap_or_default();
            ensure(got + 1 >= most.min(able + 1), || format!("no equal share had {lane:?} in {shares:?}"))?;
        }
        self.0.retain(|lane, _| able.contains_key(lane) && !got.contains_key(lane));
        for lane in able.keys().filter(|lane| !got.contains_key(*lane)) {
            let wait = self.0.entry(*lane).or_default();
            wait.asked += limit;
            ensure(wait.asked < *lanes, || {
                format!("{lane:?} has waited for more than one round: {wait:?}, {shares:?}")
            })?;
            for served in got.keys() {
                ensure(wait.served.insert(*served), || {
                    format!("{served:?} had its turn twice while {lane:?} waited: {shares:?}")
                })?;
            }
        }
        Ok(!self.0.is_empty())
    }
}
