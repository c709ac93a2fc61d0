//! Checks that tenants take turns, as far as one worker that remembers its turn can see:
//!
//! - in one claim, no tenant gets two jobs more than another that could have given more;
//! - no tenant has two turns while another waits that could have given a job each time;
//! - such a tenant waits at most once for each of the others, whether or not they could give a job: a claim passes as
//!   many of them as it asks for jobs.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Checked, Lane, ensure};

/// The jobs that one claim, with its limit, returned for each lane.
#[derive(Debug)]
pub(super) struct Shares {
    /// How many jobs each lane could give; lanes without any are left out.
    pub(super) able: BTreeMap<Lane, u32>,
    pub(super) got: BTreeMap<Lane, u32>,
    pub(super) limit: usize,
    /// Number of lanes.
    pub(super) lanes: usize,
}

/// How long a lane has waited.
#[derive(Debug, Clone, Default)]
struct Wait {
    /// The lanes that had a turn meanwhile.
    served: BTreeSet<Lane>,
    /// Number of jobs that were asked for meanwhile.
    asked: usize,
}

/// Lanes that could have given a job to the last claim of a worker and were passed over.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits(BTreeMap<Lane, Wait>);

impl Waits {
    /// Records the lanes that wait now, and returns whether there are any.
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
