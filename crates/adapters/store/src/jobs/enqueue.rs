//! Adds jobs, many in one statement.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, Value};
use std::fmt::Write;
use tenantry_jobs::{Enqueued, JobQueue, NewJob};
use tenantry_kernel::{StoreError, TenantId};

use crate::Unit;

/// Maximum number of jobs in one statement: both databases limit the number of values in a statement.
const ROWS: usize = 500;
const COLUMNS: usize = 16;

#[async_trait]
impl JobQueue for Unit {
    async fn enqueue_jobs(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        for job in jobs {
            self.require_may_enqueue(job)?;
        }
        // Row-level security hides some rows from `RETURNING`, such as those of a user's own jobs. So a batch cannot
        // report which of its rows were duplicates. Jobs with a unique key are inserted one by one.
        let mut outcomes = Vec::with_capacity(jobs.len());
        for alike in jobs.chunk_by(|job, next| job.unique_key.is_none() && next.unique_key.is_none()) {
            for chunk in alike.chunks(ROWS) {
                let added = self.insert_jobs(chunk).await?;
                let outcome = if added == 0 { Enqueued::Duplicate } else { Enqueued::Added };
                outcomes.extend(std::iter::repeat_n(outcome, chunk.len()));
            }
        }
        Ok(outcomes)
    }
}

impl Unit {
    async fn insert_jobs(&mut self, jobs: &[NewJob]) -> Result<u64, StoreError> {
        let values = jobs.iter().flat_map(values);
        let done = self.run(self.transaction.execute_raw(self.sql(&self.enqueuing(jobs), values))).await?;
        let added = done.rows_affected();
        if added != 0 && added != jobs.len() as u64 {
            return Err(StoreError::Inconsistent { table: "jobs", column: "id" });
        }
        self.has_enqueued |= added > 0;
        Ok(added)
    }

    /// Returns the statement that inserts the jobs. On SQLite its placeholders have no numbers: SQLite searches a
    /// numbered one among all of them at each bind, and merely counts the others.
    fn enqueuing(&self, jobs: &[NewJob]) -> String {
        let is_numbered = self.is_postgres();
        let mut sql = "INSERT INTO jobs (id, tenant_id, queue, kind, version, payload, secret, secret_key_id, \
                       secret_expires_at, priority, run_at, state, attempt, max_attempts, unique_key, trace, created_at) \
                       VALUES "
            .to_owned();
        for row in 0..jobs.len() {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..COLUMNS {
                // The 0 is the value of `attempt`: no attempt has begun.
                sql.push_str(match column {
                    0 => "",
                    12 => ", 0, ",
                    _ => ", ",
                });
                if is_numbered {
                    let _ = write!(sql, "${}", row * COLUMNS + column + 1);
                } else {
                    sql.push('?');
                }
            }
            sql.push(')');
        }
        // Looking for duplicates costs PostgreSQL a lookup in each unique index.
        if jobs.iter().any(|job| job.unique_key.is_some()) {
            sql.push_str(" ON CONFLICT DO NOTHING");
        }
        sql
    }

    fn require_may_enqueue(&self, job: &NewJob) -> Result<(), StoreError> {
        match job.tenant {
            Some(tenant) => self.require_tenant(tenant),
            None if self.scope.is_system() || self.scope.person().is_some() => Ok(()),
            None => Err(StoreError::Misuse("a job without a tenant needs a unit of a person or of the system")),
        }
    }
}

fn values(job: &NewJob) -> [Value; COLUMNS] {
    let secret = job.secret.as_ref();
    let state = if job.run_at > job.created_at { "scheduled" } else { "ready" };
    [
        job.id.uuid().into(),
        job.tenant.map(TenantId::uuid).into(),
        job.queue.into(),
        job.kind.into(),
        job.version.into(),
        job.payload.as_str().into(),
        secret.map(|secret| secret.bytes.clone()).into(),
        secret.map(|secret| secret.key_id.clone()).into(),
        secret.map(|secret| secret.expires_at.utc()).into(),
        job.priority.into(),
        job.run_at.utc().into(),
        state.into(),
        i64::from(job.max_attempts).into(),
        job.unique_key.clone().into(),
        job.trace.clone().into(),
        job.created_at.utc().into(),
    ]
}
