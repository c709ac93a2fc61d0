//! Checks of the jobs that a claim returns.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};
use tenantry_jobs::{ClaimJobs, Claims, JobState};
use tenantry_kernel::Timestamp;

use super::{
    entry::{Entry, Lease},
    fairness::Shares,
    model::{Checked, Model, TenantKey, ensure},
};
use crate::jobs::{expected, shown};

/// A claim and the worker that sends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) worker: usize,
    pub(super) command: ClaimJobs<'static>,
    pub(super) now: Timestamp,
}

impl Model {
    pub(super) fn claim(&mut self, asked: &Asked, claims: &Claims) -> Checked {
        let Asked { worker, command, now } = asked;
        ensure(claims.unreadable.is_empty(), || format!("unreadable are {:?}", claims.unreadable))?;
        let (found, limit) = (claims.jobs.len(), usize::try_from(command.limit).unwrap());
        ensure(found <= limit, || format!("{found} jobs were claimed, of at most {limit}"))?;
        let able = self.able(command);
        let mut got: BTreeMap<TenantKey, u32> = BTreeMap::new();
        let mut last: BTreeMap<TenantKey, Rank> = BTreeMap::new();
        for claimed in &claims.jobs {
            let (job, claim) = (&claimed.job, claimed.claim);
            let entry = self.jobs.get_mut(&job.id).ok_or_else(|| format!("no unit has committed {job:?}"))?;
            ensure(entry.state == JobState::Ready && entry.job.queue == command.queue && entry.run_at <= *now, || {
                format!("not to be claimed is {entry:?}")
            })?;
            let place = place(entry);
            entry.begin_try(Lease { token: command.token, until: command.until });
            let (is, should) = (shown(job), expected(&entry.job, entry.attempt));
            ensure(is == should && job.run_at == entry.run_at, || {
                format!("{is} at {} should be {entry:?}", job.run_at)
            })?;
            ensure(self.is_good(&claim), || format!("no right to {} is {claim:?}", job.id))?;
            *got.entry(job.tenant).or_default() += 1;
            last.entry(job.tenant).and_modify(|last| *last = place.max(*last)).or_insert(place);
            self.note("claimed");
        }
        self.check_order(command, &last)?;
        for (tenant_key, got) in &got {
            let may = able.get(tenant_key).copied().unwrap_or_default();
            ensure(*got <= may, || format!("{tenant_key:?} got {got} jobs and may have {may} more at the same time"))?;
        }
        if limit > 0 {
            let tenant_keys = self.jobs.values().map(|entry| entry.job.tenant).collect::<BTreeSet<TenantKey>>().len();
            let waits = self.waits.entry((*worker, command.queue)).or_default();
            if waits.check(&Shares { able, got, limit, tenant_keys })? {
                self.note("passed over");
            }
        }
        Ok(())
    }

    /// Returns how many jobs each tenant key can give: its ready jobs, limited by how many may run beside those that
    /// run.
    fn able(&mut self, command: &ClaimJobs<'_>) -> BTreeMap<TenantKey, u32> {
        let (mut ready, mut running): (BTreeMap<TenantKey, u32>, BTreeMap<TenantKey, u32>) = Default::default();
        for entry in self.jobs.values() {
            match entry.state {
                JobState::Ready if entry.job.queue == command.queue => *ready.entry(entry.job.tenant).or_default() += 1,
                JobState::Running => *running.entry(entry.job.tenant).or_default() += 1,
                _ => {}
            }
        }
        for (tenant_key, ready) in &mut ready {
            let running = running.get(tenant_key).copied().unwrap_or_default();
            let room = command.tenant_limit.map_or(u32::MAX, |limit| limit.saturating_sub(running));
            if room < *ready {
                *ready = room;
                self.note("held to the limit of a tenant");
            }
        }
        ready.retain(|_, able| *able > 0);
        ready
    }

    /// Checks that no remaining job precedes a claimed one in its tenant key.
    fn check_order(&self, command: &ClaimJobs<'_>, last: &BTreeMap<TenantKey, Rank>) -> Checked {
        let is_ready = |entry: &&Entry| entry.state == JobState::Ready && entry.job.queue == command.queue;
        for left in self.jobs.values().filter(is_ready) {
            let is_behind = last.get(&left.job.tenant).is_none_or(|last| place(left) >= *last);
            ensure(is_behind, || format!("passed over for one behind it was {left:?}"))?;
        }
        Ok(())
    }
}

/// Sort key of a job: higher priority first, then older.
type Rank = (Reverse<i32>, Timestamp);

fn place(entry: &Entry) -> Rank {
    (Reverse(entry.job.priority), entry.run_at)
}
