//! The operations of workers on the queue.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::fmt::Write;
use tenantry_jobs::{Claim, ClaimJobs, Claims, DeadLetter, JobClaims, JobId, PayloadFormat, Settlement};
use tenantry_kernel::{StoreError, TenantId, Timestamp};
use uuid::Uuid;

use crate::{Unit, failure::StatementError};

/// Maximum number of jobs that one statement changes.
const BATCH: i64 = 1_000;

const DUE: &str = "\
    SELECT 1 WHERE EXISTS (SELECT 1 FROM jobs WHERE state = 'scheduled' AND run_at <= $1) \
                OR EXISTS (SELECT 1 FROM jobs WHERE state = 'running' AND lease_expires_at <= $1)";

const COME_DUE: &str = "\
    WITH due AS MATERIALIZED \
        (SELECT id FROM jobs WHERE state = 'scheduled' AND run_at <= $1 ORDER BY run_at LIMIT $2 {lock}) \
    UPDATE jobs SET state = 'ready' FROM due WHERE jobs.id = due.id";

const COME_BACK: &str = "\
    WITH ended AS MATERIALIZED \
        (SELECT id FROM jobs WHERE state = 'running' AND lease_expires_at <= $1 AND attempt < max_attempts \
         LIMIT $2 {lock}) \
    UPDATE jobs SET state = 'ready', lease_token = NULL, lease_expires_at = NULL FROM ended WHERE jobs.id = ended.id";

/// Gives up jobs whose lease ended at the last attempt: such a job may crash its workers.
const GIVE_UP: &str = "\
    WITH ended AS MATERIALIZED \
        (SELECT id FROM jobs WHERE state = 'running' AND lease_expires_at <= $1 AND attempt >= max_attempts \
         LIMIT $2 {lock}) \
    UPDATE jobs SET state = 'dead', lease_token = NULL, lease_expires_at = NULL, finished_at = $1, last_error = $3 \
    FROM ended WHERE jobs.id = ended.id RETURNING jobs.id, jobs.tenant_id, jobs.kind";

const LEASE_ENDED: &str = "the last attempt did not end within its lease";

const BLANK: &str = "\
    UPDATE jobs SET secret = NULL, secret_key_id = NULL, secret_expires_at = NULL WHERE secret_expires_at <= $1";

#[derive(FromQueryResult)]
struct GivenUp {
    id: Uuid,
    tenant_id: Option<Uuid>,
    kind: String,
}

#[async_trait]
impl JobClaims for Unit {
    async fn has_due_jobs(
        &mut self,
        queues: &[&str],
        except: &[PayloadFormat],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.require_system()?;
        let (except, formats) = self.except(except, queues.len() + 2)?;
        let mut sql = DUE.to_owned();
        for place in 0..queues.len() {
            let place = place + 2;
            let _ = write!(sql, " OR EXISTS (SELECT 1 FROM jobs WHERE state = 'ready' AND queue = ${place} {except})");
        }
        let values = std::iter::once(now.utc().into()).chain(queues.iter().map(|queue| (*queue).into()));
        let values = values.chain(formats);
        Ok(self.run(self.transaction.query_one_raw(self.sql(&sql, values))).await?.is_some())
    }

    async fn advance_jobs(&mut self, now: Timestamp) -> Result<Vec<DeadLetter>, StoreError> {
        self.require_system()?;
        let lock = self.skip_locked();
        for sql in [COME_DUE, COME_BACK] {
            let statement = self.sql(&sql.replace("{lock}", lock), [now.utc().into(), BATCH.into()]);
            self.run(self.transaction.execute_raw(statement)).await?;
        }
        let values = [now.utc().into(), BATCH.into(), LEASE_ENDED.into()];
        let give_up = self.sql(&GIVE_UP.replace("{lock}", lock), values);
        let rows = self.run(self.transaction.query_all_raw(give_up)).await?;
        let mut dead = Vec::with_capacity(rows.len());
        for row in rows {
            let row = GivenUp::from_query_result(&row, "").map_err(StatementError::from)?;
            dead.push(DeadLetter {
                job: JobId::from_uuid(row.id),
                tenant: row.tenant_id.map(TenantId::from_uuid),
                kind: row.kind,
                error: LEASE_ENDED.to_owned(),
            });
        }
        Ok(dead)
    }

    async fn claim_jobs(&mut self, command: ClaimJobs<'_>, now: Timestamp) -> Result<Claims, StoreError> {
        self.require_system()?;
        self.claim(command, now).await
    }

    async fn extend_claims(&mut self, claims: &[Claim], until: Timestamp) -> Result<Vec<Claim>, StoreError> {
        self.require_system()?;
        self.extend(claims, until).await
    }

    async fn settle_jobs(&mut self, settlements: &[Settlement], now: Timestamp) -> Result<Vec<Claim>, StoreError> {
        self.require_system()?;
        self.settle(settlements, now).await
    }

    async fn blank_expired_secrets(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.require_system()?;
        Ok(self.run(self.transaction.execute_raw(self.sql(BLANK, [now.utc().into()]))).await?.rows_affected())
    }
}
