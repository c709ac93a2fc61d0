//! The queue: this table is its only truth.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, FromQueryResult, prelude::ChronoDateTimeUtc};
use std::cmp::Reverse;
use tenantry_jobs::{Claim, ClaimJobs, Claimed, Enqueued, Job, JobQueue, NewJob, Next, SealedSecret, Worklist};
use tenantry_kernel::{JobId, StoreError, TenantId, Timestamp};
use uuid::Uuid;

use crate::{Unit, failure::Failure};

#[derive(FromQueryResult)]
struct JobRow {
    id: Uuid,
    tenant_id: Option<Uuid>,
    queue: String,
    kind: String,
    version: i32,
    payload: String,
    secret: Option<Vec<u8>>,
    secret_key_id: Option<String>,
    secret_expires_at: Option<ChronoDateTimeUtc>,
    priority: i32,
    run_at: ChronoDateTimeUtc,
    attempt: i64,
    max_attempts: i64,
    trace: Option<String>,
    created_at: ChronoDateTimeUtc,
}

const ENQUEUE: &str = "\
    INSERT INTO jobs (id, tenant_id, queue, kind, version, payload, secret, secret_key_id, secret_expires_at, \
                      priority, run_at, state, attempt, max_attempts, unique_key, trace, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'ready', 0, $12, $13, $14, $15) \
    ON CONFLICT DO NOTHING";

const DUE: &str = "\
    SELECT 1 FROM jobs WHERE (state = 'ready' AND run_at <= $1) OR (state = 'running' AND lease_expires_at <= $1) LIMIT 1";

/// A lease that ended at the last attempt: the job may be what ends its workers.
const GIVE_UP: &str = "\
    WITH ended AS MATERIALIZED \
        (SELECT id FROM jobs WHERE state = 'running' AND lease_expires_at <= $1 AND attempt >= max_attempts {lock}) \
    UPDATE jobs SET state = 'dead', lease_token = NULL, lease_expires_at = NULL, finished_at = $1, \
                    last_error = 'the last attempt did not end within its lease' \
    WHERE id IN (SELECT id FROM ended)";

/// The rows are chosen once, before any is changed: PostgreSQL may evaluate a mere subquery anew for each row, and then
/// the limit limits nothing.
const CLAIM: &str = "\
    WITH due AS MATERIALIZED \
        (SELECT id FROM jobs \
         WHERE (state = 'ready' AND run_at <= $3) \
            OR (state = 'running' AND lease_expires_at <= $3 AND attempt < max_attempts) \
         ORDER BY priority DESC, run_at, id LIMIT $4 {lock}) \
    UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_token = $1, lease_expires_at = $2 \
    WHERE id IN (SELECT id FROM due) \
    RETURNING id, tenant_id, queue, kind, version, payload, secret, secret_key_id, secret_expires_at, priority, run_at, \
              attempt, max_attempts, trace, created_at";

const COMPLETE: &str = "\
    UPDATE jobs SET state = 'completed', lease_token = NULL, lease_expires_at = NULL, finished_at = $3, \
                    last_error = NULL, secret = NULL, secret_key_id = NULL, secret_expires_at = NULL \
    WHERE id = $1 AND lease_token = $2 AND state = 'running'";

const RETRY: &str = "\
    UPDATE jobs SET state = 'ready', lease_token = NULL, lease_expires_at = NULL, last_error = $3, run_at = $4 \
    WHERE id = $1 AND lease_token = $2 AND state = 'running'";

const BURY: &str = "\
    UPDATE jobs SET state = 'dead', lease_token = NULL, lease_expires_at = NULL, last_error = $3, finished_at = $4 \
    WHERE id = $1 AND lease_token = $2 AND state = 'running'";

const BLANK: &str = "\
    UPDATE jobs SET secret = NULL, secret_key_id = NULL, secret_expires_at = NULL WHERE secret_expires_at <= $1";

impl TryFrom<JobRow> for Job {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "jobs", column };
        let secret = match (row.secret, row.secret_key_id, row.secret_expires_at) {
            (Some(bytes), Some(key_id), Some(expires_at)) => {
                Some(SealedSecret { key_id, bytes, expires_at: Timestamp::new(expires_at) })
            }
            (None, None, _) => None,
            _ => return Err(inconsistent("secret")),
        };
        Ok(Self {
            id: JobId::from_uuid(row.id),
            tenant: row.tenant_id.map(TenantId::from_uuid),
            queue: row.queue,
            kind: row.kind,
            version: row.version,
            payload: row.payload,
            secret,
            attempt: u32::try_from(row.attempt).map_err(|_| inconsistent("attempt"))?,
            max_attempts: u32::try_from(row.max_attempts).map_err(|_| inconsistent("max_attempts"))?,
            trace: row.trace,
            created_at: Timestamp::new(row.created_at),
        })
    }
}

#[async_trait]
impl JobQueue for Unit {
    async fn enqueue_job(&mut self, job: &NewJob) -> Result<Enqueued, StoreError> {
        match job.tenant {
            Some(tenant) => self.require_tenant(tenant)?,
            None if self.scope.is_system() || self.scope.person().is_some() => {}
            None => return Err(StoreError::Misuse("a unit of nobody was asked to enqueue a job")),
        }
        // The tenant's id has a fixed length, so that no key of one tenant can pass for one of another.
        let owner = job.tenant.map_or_else(Uuid::nil, TenantId::uuid);
        let unique_key = job.unique_key.as_ref().map(|key| format!("{owner}/{key}"));
        let secret = job.secret.as_ref();
        let values = [
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
            i64::from(job.max_attempts).into(),
            unique_key.into(),
            job.trace.clone().into(),
            job.created_at.utc().into(),
        ];
        let done = self.run(self.transaction.execute_raw(self.sql(ENQUEUE, values))).await?;
        if done.rows_affected() == 0 {
            return Ok(Enqueued::Duplicate);
        }
        self.has_enqueued = true;
        Ok(Enqueued::Added)
    }
}

#[async_trait]
impl Worklist for Unit {
    async fn has_due_jobs(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        self.require_system()?;
        Ok(self.run(self.transaction.query_one_raw(self.sql(DUE, [now.utc().into()]))).await?.is_some())
    }

    async fn claim_jobs(&mut self, command: ClaimJobs, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        self.require_system()?;
        // Nobody waits for what another unit is about to claim, complete or give up.
        let lock = if self.is_postgres() { "FOR UPDATE SKIP LOCKED" } else { "" };
        let give_up = self.sql(&GIVE_UP.replace("{lock}", lock), [now.utc().into()]);
        self.run(self.transaction.execute_raw(give_up)).await?;
        let values =
            [command.token.into(), command.until.utc().into(), now.utc().into(), i64::from(command.limit).into()];
        let claim = self.sql(&CLAIM.replace("{lock}", lock), values);
        let rows = self.run(self.transaction.query_all_raw(claim)).await?;
        let rows: Result<Vec<JobRow>, _> = rows.iter().map(|row| JobRow::from_query_result(row, "")).collect();
        let mut rows = rows.map_err(Failure::from)?;
        rows.sort_by_key(|row| (Reverse(row.priority), row.run_at, row.id));
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            let job = Job::try_from(row)?;
            claimed.push(Claimed { claim: Claim { job: job.id, token: command.token }, job });
        }
        Ok(claimed)
    }

    async fn complete_job(&mut self, claim: Claim, now: Timestamp) -> Result<bool, StoreError> {
        self.require_system()?;
        let values = [claim.job.uuid().into(), claim.token.into(), now.utc().into()];
        Ok(self.run(self.transaction.execute_raw(self.sql(COMPLETE, values))).await?.rows_affected() == 1)
    }

    async fn fail_job(&mut self, claim: Claim, error: &str, next: Next, now: Timestamp) -> Result<bool, StoreError> {
        self.require_system()?;
        let (sql, at) = match next {
            Next::RetryAt(at) => (RETRY, at),
            Next::Dead => (BURY, now),
        };
        let values = [claim.job.uuid().into(), claim.token.into(), error.into(), at.utc().into()];
        Ok(self.run(self.transaction.execute_raw(self.sql(sql, values))).await?.rows_affected() == 1)
    }

    async fn blank_expired_secrets(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.require_system()?;
        Ok(self.run(self.transaction.execute_raw(self.sql(BLANK, [now.utc().into()]))).await?.rows_affected())
    }
}
