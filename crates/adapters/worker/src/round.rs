//! One unit of a worker: it records ended jobs, renews running ones, claims due ones, and commits all of it at once.

use tenantry_jobs::{Claim, ClaimJobs, Claimed, Turn, Worklist, note_deaths};
use tenantry_kernel::{Context, StoreError};

use crate::{
    JobStore, WorkerConfig,
    jobs_in_hand::{JobsInHand, log_unreadable},
};

/// The plan of a round, besides recording ended jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agenda {
    pub(crate) renews: bool,
    pub(crate) advances: bool,
    /// Number of jobs to claim per queue.
    pub(crate) claims: Vec<u32>,
}

impl Agenda {
    pub(crate) fn asks_anything(&self) -> bool {
        self.renews || self.advances || self.claims.iter().any(|limit| *limit > 0)
    }
}

/// Result of a round.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) refused: Vec<Claim>,
    pub(crate) lost: Vec<Claim>,
    /// Claimed jobs, each with the index of its queue.
    pub(crate) claimed: Vec<(usize, Claimed)>,
    pub(crate) turns: Vec<Turn>,
}

pub(crate) async fn round<S: JobStore>(
    store: &S,
    context: &Context,
    config: &WorkerConfig,
    in_hand: &JobsInHand,
    turns: &[Turn],
    agenda: &Agenda,
) -> Result<Round, StoreError> {
    let mut unit = store.begin().await?;
    let now = context.now();
    let mut round = Round { turns: turns.to_vec(), ..Round::default() };
    if !in_hand.reports().is_empty() {
        round.refused = unit.settle_jobs(in_hand.reports(), now).await?;
        note_deaths(&mut unit, context, &in_hand.dead(&round.refused)).await?;
    }
    // Before expired leases are taken: a worker that slept too long must not take its own jobs.
    if agenda.renews {
        round.lost = unit.extend_claims(&in_hand.running(), now.plus(config.lease)).await?;
    }
    if agenda.advances {
        let dead = unit.advance_jobs(now).await?;
        for letter in &dead {
            tracing::error!(job = %letter.job, kind = letter.kind, error = letter.error, "a job was given up");
        }
        note_deaths(&mut unit, context, &dead).await?;
    }
    for (place, limit) in agenda.claims.iter().copied().enumerate().filter(|(_, limit)| *limit > 0) {
        let command = ClaimJobs {
            queue: &config.queues[place].name,
            limit,
            tenant_limit: config.tenant_limit,
            after: turns[place],
            token: uuid::Uuid::from_bytes(context.random()),
            until: now.plus(config.lease),
        };
        let claims = unit.claim_jobs(command, now).await?;
        log_unreadable(&claims);
        note_deaths(&mut unit, context, &claims.unreadable).await?;
        round.turns[place] = claims.turn;
        round.claimed.extend(claims.jobs.into_iter().map(|claimed| (place, claimed)));
    }
    store.commit(unit).await?;
    Ok(round)
}
