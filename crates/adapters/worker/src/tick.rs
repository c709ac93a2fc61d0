//! One unit of a worker: it records ended jobs, renews running ones, claims due ones, and commits all of it at once.

use tenantry_jobs::{Claim, ClaimJobs, Claimed, FairnessCursor, JobClaims, note_deaths};
use tenantry_kernel::{Context, StoreError};

use crate::{
    JobStore, WorkerConfig,
    in_flight::{InFlight, log_unreadable},
};

/// The plan of a tick, besides recording ended jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct TickPlan {
    pub(crate) renews: bool,
    pub(crate) advances: bool,
    /// Number of jobs to claim per queue.
    pub(crate) claims: Vec<u32>,
}

impl TickPlan {
    pub(crate) fn asks_anything(&self) -> bool {
        self.renews || self.advances || self.claims.iter().any(|limit| *limit > 0)
    }
}

/// Result of a tick.
#[derive(Default)]
pub(crate) struct Tick {
    pub(crate) refused: Vec<Claim>,
    pub(crate) lost: Vec<Claim>,
    /// Claimed jobs, each with the index of its queue.
    pub(crate) claimed: Vec<(usize, Claimed)>,
    pub(crate) cursors: Vec<FairnessCursor>,
}

pub(crate) async fn tick<S: JobStore>(
    store: &S,
    context: &Context,
    config: &WorkerConfig,
    in_flight: &InFlight,
    cursors: &[FairnessCursor],
    plan: &TickPlan,
) -> Result<Tick, StoreError> {
    let mut unit = store.begin().await?;
    let now = context.now();
    let mut tick = Tick { cursors: cursors.to_vec(), ..Tick::default() };
    if !in_flight.reports().is_empty() {
        tick.refused = unit.settle_jobs(in_flight.reports(), now).await?;
        note_deaths(&mut unit, context, &in_flight.dead(&tick.refused)).await?;
    }
    // Before expired leases are taken: a worker that slept too long must not take its own jobs.
    if plan.renews {
        tick.lost = unit.extend_claims(&in_flight.running(), now.plus(config.lease)).await?;
    }
    if plan.advances {
        let dead = unit.advance_jobs(now).await?;
        for dead_letter in &dead {
            tracing::error!(job = %dead_letter.job, kind = dead_letter.kind, error = dead_letter.error, "a job became a dead letter");
        }
        note_deaths(&mut unit, context, &dead).await?;
    }
    for (place, limit) in plan.claims.iter().copied().enumerate().filter(|(_, limit)| *limit > 0) {
        let command = ClaimJobs {
            queue: &config.queues[place].name,
            limit,
            tenant_limit: config.tenant_limit,
            after: cursors[place],
            token: uuid::Uuid::from_bytes(context.random()),
            until: now.plus(config.lease),
        };
        let claims = unit.claim_jobs(command, now).await?;
        log_unreadable(&claims);
        note_deaths(&mut unit, context, &claims.unreadable).await?;
        tick.cursors[place] = claims.cursor;
        tick.claimed.extend(claims.jobs.into_iter().map(|claimed| (place, claimed)));
    }
    store.commit(unit).await?;
    Ok(tick)
}
