//! One unit of a worker: it records ended jobs, renews running ones, claims due ones, and commits all of it at once.

use tenantry_jobs::{
    AttemptOutcome, Claim, ClaimJobs, Claimed, FairnessCursor, Job, JobClaims, PayloadFormat, Settlement,
    record_dead_letters,
};
use tenantry_kernel::{Context, StoreError};

use crate::{
    Handlers, JobStore, WorkerConfig,
    in_flight::{InFlight, log_unreadable},
};

/// The plan of a tick, besides recording ended jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct TickPlan {
    pub(crate) renews: bool,
    pub(crate) advances: bool,
    /// Number of jobs to claim per queue.
    pub(crate) claims: Vec<u32>,
    /// The formats whose jobs are left to newer programs.
    pub(crate) except: Vec<PayloadFormat>,
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
    /// Jobs that only a newer program can run. They have been handed back.
    pub(crate) newer: Vec<Job>,
}

pub(crate) async fn tick<S: JobStore>(
    store: &S,
    context: &Context,
    handlers: &Handlers,
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
        record_dead_letters(&mut unit, context, &in_flight.dead(&tick.refused)).await?;
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
        record_dead_letters(&mut unit, context, &dead).await?;
    }
    for (place, limit) in plan.claims.iter().copied().enumerate().filter(|(_, limit)| *limit > 0) {
        let command = ClaimJobs {
            queue: &config.queues[place].name,
            limit,
            tenant_limit: config.tenant_limit,
            except: &plan.except,
            after: cursors[place],
            token: uuid::Uuid::from_bytes(context.random()),
            until: now.plus(config.lease),
        };
        let claims = unit.claim_jobs(command, now).await?;
        log_unreadable(&claims);
        record_dead_letters(&mut unit, context, &claims.unreadable).await?;
        tick.cursors[place] = claims.cursor;
        let (claimed, newer): (Vec<_>, Vec<_>) =
            claims.jobs.into_iter().partition(|claimed| handlers.can_run(&claimed.job));
        // In the unit of the claim, so that not even the end of this process costs a job an attempt.
        let handed_back = |of: &Claimed| Settlement { claim: of.claim, outcome: AttemptOutcome::HandedBack };
        unit.settle_jobs(&newer.iter().map(handed_back).collect::<Vec<_>>(), now).await?;
        tick.claimed.extend(claimed.into_iter().map(|claimed| (place, claimed)));
        tick.newer.extend(newer.into_iter().map(|claimed| claimed.job));
    }
    store.commit(unit).await?;
    Ok(tick)
}
