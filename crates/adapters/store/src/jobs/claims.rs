//! Claims jobs in two steps: selects the lanes whose turn it is, then the jobs of each.

use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use std::cmp::Reverse;
use tenantry_jobs::{Claim, ClaimJobs, Claimed, Claims, DeadLetter, Job, JobId, Turn};
use tenantry_kernel::{StoreError, TenantId, Timestamp};
use uuid::Uuid;

use super::row::{COLUMNS, JobRow};
use crate::{Unit, failure::StatementError};

/// Selects the lanes that have ready jobs, from the one after `$2` on and round again.
///
/// Each lane costs one index lookup: a lane with a hundred thousand jobs costs as much as one with a single job. No
/// lookup is repeated, since PostgreSQL reads past all index entries of a lane that were claimed since the last vacuum.
/// The query names the order of the whole index; otherwise a database might search for ready jobs among all jobs that a
/// lane ever had. Every running job has a lease that ends; saying so leads SQLite to the index of running jobs, where
/// it would else read the whole lane.
const TURNS: &str = "\
    WITH RECURSIVE ahead AS MATERIALIZED ( \
        SELECT (SELECT lane FROM jobs WHERE state = 'ready' AND queue = $1 AND lane > $2 \
                ORDER BY lane, priority DESC, run_at, id LIMIT 1) AS lane \
    ), start AS MATERIALIZED ( \
        SELECT coalesce(lane, (SELECT lane FROM jobs WHERE state = 'ready' AND queue = $1 \
                               ORDER BY lane, priority DESC, run_at, id LIMIT 1)) AS lane, \
               lane IS NULL AS is_least \
        FROM ahead \
    ), turns (lane, first, is_least, place) AS ( \
        SELECT lane, lane, is_least, 1 FROM start WHERE lane IS NOT NULL \
        UNION ALL \
        SELECT coalesce( \
            (SELECT jobs.lane FROM jobs WHERE jobs.state = 'ready' AND jobs.queue = $1 AND jobs.lane > turns.lane \
             ORDER BY jobs.lane, jobs.priority DESC, jobs.run_at, jobs.id LIMIT 1), \
            CASE WHEN is_least THEN first \
                 ELSE (SELECT jobs.lane FROM jobs WHERE jobs.state = 'ready' AND jobs.queue = $1 \
                       ORDER BY jobs.lane, jobs.priority DESC, jobs.run_at, jobs.id LIMIT 1) END), \
            first, is_least, place + 1 \
        FROM turns WHERE place < $3 AND (place = 1 OR lane <> first) \
    ) \
    SELECT lane, (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE jobs.state = 'running' AND jobs.lane = turns.lane \
                                        AND jobs.lease_expires_at IS NOT NULL LIMIT $4) AS held) AS running \
    FROM turns WHERE place = 1 OR lane <> first ORDER BY place";

/// Selects the rows once, before any is changed: PostgreSQL may evaluate a plain subquery anew for each row, and then
/// the limit has no effect.
const CLAIM: &str = "\
    WITH due AS MATERIALIZED ({chosen}) \
    UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_token = $3, lease_expires_at = $4 \
    {hit} \
    RETURNING {columns}";

/// An array, of which PostgreSQL expects few rows: for a join it might read the whole table.
const HIT_ON_POSTGRES: &str = "WHERE jobs.id = ANY (ARRAY (SELECT id FROM due))";
const HIT_ON_SQLITE: &str = "FROM due WHERE jobs.id = due.id";

const CHOSEN_OF_MANY_LANES: &str = "\
    SELECT chosen.id FROM jsonb_to_recordset($1::jsonb) AS shares (lane uuid, share bigint) \
    CROSS JOIN LATERAL ( \
        SELECT id FROM jobs WHERE state = 'ready' AND queue = $2 AND jobs.lane = shares.lane \
        ORDER BY priority DESC, run_at, id LIMIT shares.share FOR UPDATE SKIP LOCKED \
    ) AS chosen";

const CHOSEN_OF_ONE_LANE: &str = "\
    SELECT id FROM jobs WHERE state = 'ready' AND queue = $2 AND lane = $1 \
    ORDER BY priority DESC, run_at, id LIMIT $5";

const BURY_UNREADABLE: &str = "\
    UPDATE jobs SET state = 'dead', lease_token = NULL, lease_expires_at = NULL, last_error = $2, finished_at = $3 \
    WHERE id = $1";

/// Number of lanes to look at when all lanes of the first query are at their limit, so that other lanes need not wait
/// for them.
const MANY_LANES: u32 = 100;

#[derive(FromQueryResult)]
struct LaneRow {
    lane: Uuid,
    running: i64,
}

/// A lane whose turn it is, and how many more of its jobs may run.
struct LaneTurn {
    lane: Uuid,
    room: u32,
}

/// The number of jobs that a lane gets.
#[derive(Serialize)]
struct Share {
    lane: Uuid,
    share: u32,
}

impl Unit {
    pub(super) async fn claim(&mut self, command: ClaimJobs<'_>, now: Timestamp) -> Result<Claims, StoreError> {
        if command.limit == 0 {
            return Ok(Claims { turn: command.after, ..Claims::default() });
        }
        let mut turns = self.turns(&command, command.after, command.limit).await?;
        let mut turn = turns.last().map_or(command.after, |last| Turn(Some(last.lane)));
        if turns.len() == command.limit as usize && turns.iter().all(|turn| turn.room == 0) {
            turns = self.turns(&command, turn, command.limit.max(MANY_LANES)).await?;
            turn = turns.last().map_or(turn, |last| Turn(Some(last.lane)));
        }
        let shares = shares(&turns, command.limit);
        if shares.is_empty() {
            return Ok(Claims { turn, ..Claims::default() });
        }
        let mut rows = Vec::new();
        if self.is_postgres() {
            let shares = serde_json::to_string(&shares).map_err(|error| StoreError::Failed(Box::new(error)))?;
            let sql = CLAIM
                .replace("{chosen}", CHOSEN_OF_MANY_LANES)
                .replace("{hit}", HIT_ON_POSTGRES)
                .replace("{columns}", COLUMNS);
            let values = [shares.into(), command.queue.into(), command.token.into(), command.until.utc().into()];
            rows = self.run(self.transaction.query_all_raw(self.sql(&sql, values))).await?;
        } else {
            let sql = CLAIM
                .replace("{chosen}", CHOSEN_OF_ONE_LANE)
                .replace("{hit}", HIT_ON_SQLITE)
                .replace("{columns}", COLUMNS);
            for Share { lane, share } in shares {
                let (token, until) = (command.token.into(), command.until.utc().into());
                let values = [lane.into(), command.queue.into(), token, until, i64::from(share).into()];
                rows.extend(self.run(self.transaction.query_all_raw(self.sql(&sql, values))).await?);
            }
        }
        let rows: Result<Vec<JobRow>, _> = rows.iter().map(|row| JobRow::from_query_result(row, "")).collect();
        let mut rows = rows.map_err(StatementError::from)?;
        rows.sort_by_key(|row| (Reverse(row.priority), row.run_at, row.id));
        let mut claims = Claims { turn, ..Claims::default() };
        for row in rows {
            match read(row) {
                Ok(job) => claims.jobs.push(Claimed { claim: Claim { job: job.id, token: command.token }, job }),
                Err(letter) => claims.unreadable.push(letter),
            }
        }
        for letter in &claims.unreadable {
            let values = [letter.job.uuid().into(), letter.error.as_str().into(), now.utc().into()];
            self.run(self.transaction.execute_raw(self.sql(BURY_UNREADABLE, values))).await?;
        }
        Ok(claims)
    }

    /// Returns the lanes whose turn it is, up to the one that takes the last of the jobs to be claimed.
    async fn turns(&self, command: &ClaimJobs<'_>, after: Turn, lanes: u32) -> Result<Vec<LaneTurn>, StoreError> {
        // The lane of jobs without a tenant comes before every other. Without a cursor the round starts behind the last
        // lane, so that this lane is included.
        let after = after.0.unwrap_or(Uuid::max());
        let counted = i64::from(command.tenant_limit.unwrap_or(0));
        let values = [command.queue.into(), after.into(), (i64::from(lanes) + 1).into(), counted.into()];
        let rows = self.run(self.transaction.query_all_raw(self.sql(TURNS, values))).await?;
        let (mut turns, mut left) = (Vec::with_capacity(rows.len()), command.limit);
        for row in rows.iter().take(lanes as usize) {
            if left == 0 {
                break;
            }
            let LaneRow { lane, running } = LaneRow::from_query_result(row, "").map_err(StatementError::from)?;
            let running = u32::try_from(running).unwrap_or(u32::MAX);
            let room = command.tenant_limit.map_or(u32::MAX, |limit| limit.saturating_sub(running));
            left -= u32::from(room > 0);
            turns.push(LaneTurn { lane, room });
        }
        Ok(turns)
    }
}

/// Gives each lane an equal share, at most its room. The lanes with room are never more than the jobs to be claimed.
fn shares(turns: &[LaneTurn], limit: u32) -> Vec<Share> {
    let equal = (limit / u32::try_from(turns.len()).unwrap_or(u32::MAX).max(1)).max(1);
    let share = |turn: &LaneTurn| Share { lane: turn.lane, share: equal.min(turn.room) };
    turns.iter().map(share).filter(|share| share.share > 0).collect()
}

fn read(row: JobRow) -> Result<Job, DeadLetter> {
    let (job, tenant, kind) = (JobId::from_uuid(row.id), row.tenant_id.map(TenantId::from_uuid), row.kind.clone());
    Job::try_from(row).map_err(|error| DeadLetter { job, tenant, kind, error: error.to_string() })
}
