//! The row of a job.

use sea_orm::{FromQueryResult, prelude::ChronoDateTimeUtc};
use tenantry_jobs::{Job, JobId, SealedSecret};
use tenantry_kernel::{StoreError, TenantId, Timestamp};
use uuid::Uuid;

/// The columns of [`JobRow`].
pub(super) const COLUMNS: &str = "jobs.id, jobs.tenant_id, jobs.queue, jobs.kind, jobs.version, jobs.payload, \
    jobs.secret, jobs.secret_key_id, jobs.secret_expires_at, jobs.priority, jobs.run_at, jobs.attempt, jobs.max_attempts, \
    jobs.trace, jobs.created_at";

#[derive(FromQueryResult)]
pub(super) struct JobRow {
    pub(super) id: Uuid,
    pub(super) tenant_id: Option<Uuid>,
    queue: String,
    pub(super) kind: String,
    version: i32,
    payload: String,
    secret: Option<Vec<u8>>,
    secret_key_id: Option<String>,
    secret_expires_at: Option<ChronoDateTimeUtc>,
    pub(super) priority: i32,
    pub(super) run_at: ChronoDateTimeUtc,
    attempt: i64,
    max_attempts: i64,
    trace: Option<String>,
    created_at: ChronoDateTimeUtc,
}

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
            run_at: Timestamp::new(row.run_at),
            secret,
            attempt: u32::try_from(row.attempt).map_err(|_| inconsistent("attempt"))?,
            max_attempts: u32::try_from(row.max_attempts).map_err(|_| inconsistent("max_attempts"))?,
            trace: row.trace,
            created_at: Timestamp::new(row.created_at),
        })
    }
}
