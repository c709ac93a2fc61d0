//! Applies each step to the store and to the model.

use proptest::sample::Index;
use std::time::Duration;
use tenantry_jobs::{AttemptOutcome, Claim, ClaimJobs, JobAdmin, JobClaims, JobId, JobQueue, NewJob, Settlement};
use tenantry_kernel::{StoreError, Timestamp};

use super::{
    claims::Asked,
    entry::Entry,
    model::Checked,
    play::{Play, Worker},
    steps::{Errand, KINDS, QUEUES, Speaker, Step, Word},
};
use crate::{
    jobs::JobPorts,
    units::{TestScope, Units},
};

/// Number of recent claims that late reports may refer to.
const REMEMBERED: usize = 12;

impl<U: Units<Unit: JobPorts>> Play<'_, '_, U> {
    pub(super) async fn step(&mut self, step: &Step) -> Checked {
        let now = self.scene.context.now();
        match step {
            Step::Enqueue { jobs, by_tenant, kept } => self.enqueue(jobs, *by_tenant, *kept).await,
            Step::Advance { kept } => {
                self.unit(TestScope::System, *kept, async |unit, model| {
                    model.advance(now, &unit.advance_jobs(now).await.map_err(failed)?)
                })
                .await
            }
            Step::Claim { worker, queue, limit, tenant_limit, lease, advances, kept } => {
                let command = ClaimJobs {
                    queue: QUEUES[*queue],
                    limit: *limit,
                    tenant_limit: *tenant_limit,
                    except: &[],
                    after: self.workers[*worker].cursors[*queue],
                    token: self.scene.context.uuid_v7(),
                    until: now.plus(Duration::from_millis(*lease)),
                };
                self.claim(Asked { worker: *worker, command, now }, *queue, *advances, *kept).await
            }
            Step::Renew { speaker, lease, kept } => {
                let (claims, until) = (self.claims_of(*speaker), now.plus(Duration::from_millis(*lease)));
                self.unit(TestScope::System, *kept, async |unit, model| {
                    model.extend(&claims, until, &unit.extend_claims(&claims, until).await.map_err(failed)?)
                })
                .await
            }
            Step::Settle { speaker, words, kept } => {
                let mut settlements: Vec<Settlement> = Vec::new();
                for (which, word) in words {
                    let spoken = |claim: &Claim| settlements.iter().any(|settlement| settlement.claim == *claim);
                    if let Some(claim) = self.pick(*speaker, which).filter(|claim| !spoken(claim)) {
                        settlements.push(Settlement { claim, outcome: outcome(*word, now) });
                    }
                }
                self.settle(&settlements, *kept).await?;
                if *kept {
                    settlements.iter().for_each(|settlement| self.forget(*speaker, settlement.claim));
                }
                Ok(())
            }
            Step::Succeed { speaker, which, next, kept } => self.succeed(*speaker, which, next, *kept).await,
            Step::Crash { worker } => {
                self.workers[*worker] = Worker::default();
                self.model.waits.retain(|(waited_by, _), _| waited_by != worker);
                Ok(())
            }
            Step::Wait { millis } => {
                self.scene.clock.advance(Duration::from_millis(*millis));
                Ok(())
            }
            Step::Retry { which } => {
                let Some(job) = self.pick_job(which, |entry| !entry.is_live()) else { return Ok(()) };
                self.unit(TestScope::System, true, async |unit, model| {
                    model.retry(job, now, unit.retry_job(job, now).await.map_err(failed)?)
                })
                .await
            }
            Step::Cancel { which } => {
                let Some(job) = self.pick_job(which, Entry::is_live) else { return Ok(()) };
                self.unit(TestScope::System, true, async |unit, model| {
                    model.cancel(job, now, unit.cancel_job(job, now).await.map_err(failed)?)
                })
                .await
            }
        }
    }

    async fn enqueue(&mut self, errands: &[Errand], by_tenant: bool, kept: bool) -> Checked {
        let (tenant_key, mut jobs) = (errands[0].tenant_key, Vec::new());
        for errand in errands {
            let tenant_key = if by_tenant { tenant_key } else { errand.tenant_key };
            jobs.push(self.new_job(&Errand { tenant_key, ..errand.clone() }));
        }
        let scope = if by_tenant { self.cast.scope(tenant_key) } else { TestScope::System };
        self.unit(scope, kept, async |unit, model| {
            model.enqueue(&jobs, &unit.enqueue_jobs(&jobs).await.map_err(failed)?)
        })
        .await
    }

    async fn claim(&mut self, asked: Asked, queue: usize, advances: bool, kept: bool) -> Checked {
        let Asked { worker, command, now } = asked;
        let claims = self
            .unit(TestScope::System, kept, async |unit, model| {
                if advances {
                    model.advance(now, &unit.advance_jobs(now).await.map_err(failed)?)?;
                }
                let claims = unit.claim_jobs(command, now).await.map_err(failed)?;
                model.claim(&asked, &claims)?;
                Ok(claims)
            })
            .await?;
        if kept {
            let worker = &mut self.workers[worker];
            worker.cursors[queue] = claims.cursor;
            worker.held.extend(claims.jobs.iter().map(|claimed| claimed.claim));
            self.given.extend(claims.jobs.iter().map(|claimed| claimed.claim));
        }
        Ok(())
    }

    pub(super) async fn settle(&mut self, settlements: &[Settlement], kept: bool) -> Checked {
        let now = self.scene.context.now();
        self.unit(TestScope::System, kept, async |unit, model| {
            model.settle(settlements, now, &unit.settle_jobs(settlements, now).await.map_err(failed)?)
        })
        .await
    }

    /// Acts like a handler whose effect lies in the store: if its claim is no longer valid, its unit is dropped.
    async fn succeed(&mut self, speaker: Speaker, which: &Index, next: &Errand, kept: bool) -> Checked {
        let Some(claim) = self.pick(speaker, which) else { return Ok(()) };
        let (now, next) = (self.scene.context.now(), self.new_job(next));
        let kept = kept && self.model.is_good(&claim);
        self.unit(TestScope::System, kept, async |unit, model| {
            model.complete(claim, now, unit.complete_job(claim, now).await.map_err(failed)?)?;
            let enqueued = unit.enqueue_job(&next).await.map_err(failed)?;
            model.enqueue(std::slice::from_ref(&next), &[enqueued])
        })
        .await?;
        if kept {
            self.forget(speaker, claim);
            self.model.note("succeeded");
        }
        Ok(())
    }

    fn new_job(&mut self, errand: &Errand) -> NewJob {
        let (id, now) = (self.new_id(), self.scene.context.now());
        let run_in = Duration::from_millis(errand.run_in.unsigned_abs());
        NewJob {
            queue: QUEUES[errand.queue],
            kind: KINDS[errand.kind],
            payload: format!("\"{id}\""),
            priority: errand.priority,
            run_at: if errand.run_in < 0 { now.minus(run_in) } else { now.plus(run_in) },
            max_attempts: errand.max_attempts,
            unique_key: errand.key.map(|key| format!("key {key}")),
            id,
            ..crate::jobs::new_job(self.scene, self.cast.tenant_key(errand.tenant_key))
        }
    }

    fn claims_of(&self, speaker: Speaker) -> Vec<Claim> {
        match speaker {
            Speaker::Worker(worker) => self.workers[worker].held.clone(),
            Speaker::Late => self.given[self.given.len().saturating_sub(REMEMBERED)..].to_vec(),
        }
    }

    fn pick(&self, speaker: Speaker, which: &Index) -> Option<Claim> {
        let claims = self.claims_of(speaker);
        (!claims.is_empty()).then(|| *which.get(&claims))
    }

    fn forget(&mut self, speaker: Speaker, claim: Claim) {
        if let Speaker::Worker(worker) = speaker {
            self.workers[worker].held.retain(|held| *held != claim);
        }
    }

    fn pick_job(&self, which: &Index, fits: impl Fn(&Entry) -> bool) -> Option<JobId> {
        let fitting = self.model.jobs.values().filter(|entry| fits(entry));
        let jobs: Vec<JobId> = fitting.map(|entry| entry.job.id).collect();
        (!jobs.is_empty()).then(|| *which.get(&jobs))
    }
}

fn outcome(word: Word, now: Timestamp) -> AttemptOutcome {
    let (after, error) = (|wait| now.plus(Duration::from_millis(wait)), "it rained".to_owned());
    match word {
        Word::Completed => AttemptOutcome::Completed,
        Word::RetryIn(wait) => AttemptOutcome::RetryAt { at: after(wait), error },
        Word::Dead => AttemptOutcome::Dead { error },
        Word::Discarded => AttemptOutcome::Discarded { error },
        Word::SnoozedFor(wait) => AttemptOutcome::Snoozed { until: after(wait) },
        Word::HandedBack => AttemptOutcome::HandedBack,
    }
}

fn failed(error: StoreError) -> String {
    format!("{error:?}")
}
