//! Claims jobs in two steps: selects the tenant keys (column `lane`) that come next, then the jobs of each.

use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use std::cmp::Reverse;
use tenantry_jobs::{Claim, ClaimJobs, Claimed, Claims, DeadLetter, FairnessCursor, Job, JobId};
use tenantry_kernel::{StoreError, TenantId, Timestamp};
use uuid::Uuid;

use super::row::{COLUMNS, JobRow};
use crate::{Unit, failure::StatementError};

/// Selects the tenant keys that have ready jobs, from the one after `$2` on and then from the first.
///
/// Each costs one index lookup: a tenant with a hundred thousand jobs costs as much as one with a single job. No lookup
/// is repeated, since PostgreSQL reads past all index entries of a tenant that were claimed since the last vacuum. The
/// query names the order of the whole index; otherwise a database might search for ready jobs among all jobs that a
/// tenant ever had. Every running job has a lease that ends; saying so leads SQLite to the index of running jobs, where
/// it would else read all jobs of the tenant.
const READY_TENANTS: &str = "\
    WITH RECURSIVE ahead AS MATERIALIZED ( \
        SELECT (SELECT lane FROM jobs WHERE state = 'ready' AND queue = $1 AND lane > $2 {except} \
                ORDER BY lane, priority DESC, run_at, id LIMIT 1) AS lane \
    ), start AS MATERIALIZED ( \
        SELECT coalesce(lane, (SELECT lane FROM jobs WHERE state = 'ready' AND queue = $1 {except} \
                               ORDER BY lane, priority DESC, run_at, id LIMIT 1)) AS lane, \
               lane IS NULL AS is_least \
        FROM ahead \
    ), turns (lane, first, is_least, place) AS ( \
        SELECT lane, lane, is_least, 1 FROM start WHERE lane IS NOT NULL \
        UNION ALL \
        SELECT coalesce( \
            (SELECT jobs.lane FROM jobs WHERE jobs.state = 'ready' AND jobs.queue = $1 AND jobs.lane > turns.lane {except} \
             ORDER BY jobs.lane, jobs.priority DESC, jobs.run_at, jobs.id LIMIT 1), \
            CASE WHEN is_least THEN first \
                 ELSE (SELECT jobs.lane FROM jobs WHERE jobs.state = 'ready' AND jobs.queue = $1 {except} \
                       ORDER BY jobs.lane, jobs.priority DESC, jobs.run_at, jobs.id LIMIT 1) END), \
            first, is_least, place + 1 \
        FROM turns WHERE place < $3 AND (place = 1 OR lane <> first) \
    ) \
    SELECT lane, (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE jobs.state = 'running' AND jobs.lane = turns.lane \
                                        AND jobs.lease_expires_at IS NOT NULL LIMIT $4) AS held) AS running \
    FROM turns WHERE place = 1 OR lane <> first ORDER BY place";

/// Selects the rows once, before any is changed: PostgreSQL may evaluate a plain subquery again for each row, and then
/// the limit has no effect.
const CLAIM: &str = "\
    WITH due AS MATERIALIZED ({chosen}) \
    UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_token = $3, lease_expires_at = $4 \
    {hit} \
    RETURNING {columns}";

/// An array, of which PostgreSQL expects few rows: for a join it might read the whole table.
const HIT_ON_POSTGRES: &str = "WHERE jobs.id = ANY (ARRAY (SELECT id FROM due))";
const HIT_ON_SQLITE: &str = "FROM due WHERE jobs.id = due.id";

const CHOSEN_OF_MANY_TENANTS: &str = "\
    SELECT chosen.id FROM jsonb_to_recordset($1::jsonb) AS shares (lane uuid, share bigint) \
    CROSS JOIN LATERAL ( \
        SELECT id FROM jobs WHERE state = 'ready' AND queue = $2 AND jobs.lane = shares.lane {except} \
        ORDER BY priority DESC, run_at, id LIMIT shares.share FOR UPDATE SKIP LOCKED \
    ) AS chosen";

const CHOSEN_OF_ONE_TENANT: &str = "\
    SELECT id FROM jobs WHERE state = 'ready' AND queue = $2 AND lane = $1 {except} \
    ORDER BY priority DESC, run_at, id LIMIT $5";

const DEAD_LETTER_UNREADABLE: &str = "\
    UPDATE jobs SET state = 'dead', lease_token = NULL, lease_expires_at = NULL, last_error = $2, finished_at = $3 \
    WHERE id = $1";

/// Number of tenant keys to look at when all tenants of the first query are at their limit, so that others need not
/// wait for them.
const MANY_TENANTS: u32 = 100;

#[derive(FromQueryResult)]
struct TenantKeyRow {
    lane: Uuid,
    running: i64,
}

/// A tenant key with ready jobs, and how many more of them may run.
struct ReadyTenant {
    lane: Uuid,
    room: u32,
}

/// The number of jobs that a tenant gets.
#[derive(Serialize)]
struct Share {
    lane: Uuid,
    share: u32,
}

impl Unit {
    pub(super) async fn claim(&mut self, command: ClaimJobs<'_>, now: Timestamp) -> Result<Claims, StoreError> {
        if command.limit == 0 {
            return Ok(Claims { cursor: command.after, ..Claims::default() });
        }
        let mut ready = self.ready_tenants(&command, command.after, command.limit).await?;
        let mut cursor = ready.last().map_or(command.after, |last| FairnessCursor(Some(last.lane)));
        if ready.len() == command.limit as usize && ready.iter().all(|tenant| tenant.room == 0) {
            ready = self.ready_tenants(&command, cursor, command.limit.max(MANY_TENANTS)).await?;
            cursor = ready.last().map_or(cursor, |last| FairnessCursor(Some(last.lane)));
        }
        let shares = shares(&ready, command.limit);
        if shares.is_empty() {
            return Ok(Claims { cursor, ..Claims::default() });
        }
        let mut rows = Vec::new();
        if self.is_postgres() {
            let shares = serde_json::to_string(&shares).map_err(|error| StoreError::Failed(Box::new(error)))?;
            let (except, formats) = self.except(command.except, 5)?;
            let sql = CLAIM
                .replace("{chosen}", CHOSEN_OF_MANY_TENANTS)
                .replace("{hit}", HIT_ON_POSTGRES)
                .replace("{columns}", COLUMNS)
                .replace("{except}", &except);
            let values = [shares.into(), command.queue.into(), command.token.into(), command.until.utc().into()];
            let values = values.into_iter().chain(formats);
            rows = self.run(self.transaction.query_all_raw(self.sql(&sql, values))).await?;
        } else {
            let (except, formats) = self.except(command.except, 6)?;
            let sql = CLAIM
                .replace("{chosen}", CHOSEN_OF_ONE_TENANT)
                .replace("{hit}", HIT_ON_SQLITE)
                .replace("{columns}", COLUMNS)
                .replace("{except}", &except);
            for Share { lane, share } in shares {
                let (token, until) = (command.token.into(), command.until.utc().into());
                let values = [lane.into(), command.queue.into(), token, until, i64::from(share).into()];
                let values = values.into_iter().chain(formats.clone());
                rows.extend(self.run(self.transaction.query_all_raw(self.sql(&sql, values))).await?);
            }
        }
        let rows: Result<Vec<JobRow>, _> = rows.iter().map(|row| JobRow::from_query_result(row, "")).collect();
        let mut rows = rows.map_err(StatementError::from)?;
        rows.sort_by_key(|row| (Reverse(row.priority), row.run_at, row.id));
        let mut claims = Claims { cursor, ..Claims::default() };
        for row in rows {
            match read(row) {
                Ok(job) => claims.jobs.push(Claimed { claim: Claim { job: job.id, token: command.token }, job }),
                Err(dead_letter) => claims.unreadable.push(dead_letter),
            }
        }
        for dead_letter in &claims.unreadable {
            let values = [dead_letter.job.uuid().into(), dead_letter.error.as_str().into(), now.utc().into()];
            self.run(self.transaction.execute_raw(self.sql(DEAD_LETTER_UNREADABLE, values))).await?;
        }
        Ok(claims)
    }

    /// Returns the tenant keys that come next, up to the one that takes the last of the jobs to be claimed.
    async fn ready_tenants(
        &self,
        command: &ClaimJobs<'_>,
        after: FairnessCursor,
        at_most: u32,
    ) -> Result<Vec<ReadyTenant>, StoreError> {
        // The tenant key of jobs without a tenant comes before every other. Without a cursor the rotation starts behind
        // the last tenant key, so that it is included.
        let after = after.0.unwrap_or(Uuid::max());
        let counted = i64::from(command.tenant_limit.unwrap_or(0));
        let values = [command.queue.into(), after.into(), (i64::from(at_most) + 1).into(), counted.into()];
        let (except, formats) = self.except(command.except, 5)?;
        let sql = READY_TENANTS.replace("{except}", &except);
        let statement = self.sql(&sql, values.into_iter().chain(formats));
        let rows = self.run(self.transaction.query_all_raw(statement)).await?;
        let (mut ready, mut left) = (Vec::with_capacity(rows.len()), command.limit);
        for row in rows.iter().take(at_most as usize) {
            if left == 0 {
                break;
            }
            let TenantKeyRow { lane, running } =
                TenantKeyRow::from_query_result(row, "").map_err(StatementError::from)?;
            let running = u32::try_from(running).unwrap_or(u32::MAX);
            let room = command.tenant_limit.map_or(u32::MAX, |limit| limit.saturating_sub(running));
            left -= u32::from(room > 0);
            ready.push(ReadyTenant { lane, room });
        }
        Ok(ready)
    }
}

/// Gives each tenant an equal share, at most its room. The tenants with room are never more than the jobs to be
/// claimed.
fn shares(ready: &[ReadyTenant], limit: u32) -> Vec<Share> {
    let equal = (limit / u32::try_from(ready.len()).unwrap_or(u32::MAX).max(1)).max(1);
    let share = |tenant: &ReadyTenant| Share { lane: tenant.lane, share: equal.min(tenant.room) };
    ready.iter().map(share).filter(|share| share.share > 0).collect()
}

fn read(row: JobRow) -> Result<Job, DeadLetter> {
    let (job, tenant, kind) = (JobId::from_uuid(row.id), row.tenant_id.map(TenantId::from_uuid), row.kind.clone());
    Job::try_from(row).map_err(|error| DeadLetter { job, tenant, kind, error: error.to_string() })
}
