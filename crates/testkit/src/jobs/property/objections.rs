//! Tests of the model: it objects to forbidden responses of a store. Each wrong response is one step from a right one,
//! which the model accepts.

mod claimed;
mod said;

use std::time::Duration;
use tenantry_jobs::{
    Claim, ClaimJobs, Claimed, Claims, DeadLetter, Enqueued, FairnessCursor, JobId, JobStatus, NewJob,
};
use tenantry_kernel::{Context, TenantId, Timestamp};

use super::{
    claims::Asked,
    model::{Checked, Model},
};
use crate::{context::test_context, jobs::at_attempt};

const LEASE: Duration = Duration::from_secs(60);

/// A model, and the responses of a correct store.
#[derive(Clone)]
struct Expected {
    model: Model,
    context: Context,
    now: Timestamp,
}

fn objects_to(answer: Checked, objection: &str) {
    let found = answer.expect_err(objection);
    assert!(found.contains(objection), "expected {objection:?}, found {found:?}");
}

impl Expected {
    fn nothing() -> Self {
        let context = test_context().0;
        let now = context.now();
        Self { model: Model::default(), context, now }
    }

    fn job(&self, tenant: Option<TenantId>) -> NewJob {
        NewJob {
            id: JobId::new(&self.context),
            tenant,
            queue: "errands",
            kind: "errand",
            version: 1,
            payload: "{}".to_owned(),
            secret: None,
            priority: 0,
            run_at: self.now,
            max_attempts: 2,
            unique_key: None,
            trace: None,
            created_at: self.now,
        }
    }

    fn tenant(&self) -> Option<TenantId> {
        Some(TenantId::new(&self.context))
    }

    fn enqueued(&mut self, jobs: &[&NewJob]) {
        for job in jobs {
            self.model.enqueue(std::slice::from_ref(job), &[Enqueued::Added]).unwrap();
        }
    }

    fn asked(&self, limit: u32) -> Asked {
        let (token, until) = (self.context.uuid_v7(), self.now.plus(LEASE));
        let (after, tenant_limit) = (FairnessCursor::default(), None);
        Asked {
            worker: 0,
            command: ClaimJobs { queue: "errands", limit, tenant_limit, except: &[], after, token, until },
            now: self.now,
        }
    }

    /// Returns the jobs at their attempts, as this claim returns them.
    fn brought(asked: &Asked, jobs: &[(&NewJob, u32)]) -> Claims {
        let brought = |(job, attempt): &(&NewJob, u32)| Claimed {
            job: at_attempt(job, *attempt),
            claim: Claim { job: job.id, token: asked.command.token },
        };
        Claims { jobs: jobs.iter().map(brought).collect(), ..Claims::default() }
    }

    /// Sends a claim for this number of jobs, and tells the model that it returned them.
    fn claim(&mut self, jobs: &[(&NewJob, u32)]) -> Checked<Claim> {
        let asked = self.asked(u32::try_from(jobs.len()).unwrap());
        self.model.claim(&asked, &Self::brought(&asked, jobs))?;
        Ok(Claim { job: jobs[0].0.id, token: asked.command.token })
    }

    /// Lets leases end.
    fn lease_ends(&mut self) {
        self.now = self.now.plus(LEASE);
    }

    fn dead_letter(job: &NewJob) -> DeadLetter {
        DeadLetter { job: job.id, tenant: job.tenant, kind: job.kind.to_owned(), error: String::new() }
    }

    /// Returns the only job in the state that the store must have.
    fn status(&self) -> JobStatus {
        let entry = self.model.jobs.values().next().unwrap();
        JobStatus {
            id: entry.job.id,
            tenant: entry.job.tenant,
            queue: entry.job.queue.to_owned(),
            kind: entry.job.kind.to_owned(),
            state: entry.state,
            attempt: entry.attempt,
            max_attempts: entry.job.max_attempts,
            run_at: entry.run_at,
            last_error: None,
            result: None,
            created_at: entry.job.created_at,
            finished_at: None,
        }
    }
}
