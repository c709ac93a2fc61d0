//! Settles jobs. An outcome counts only with the token of its claim.

use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use std::collections::{HashMap, HashSet};
use tenantry_jobs::{AttemptOutcome, Claim, JobId, Settlement};
use tenantry_kernel::{StoreError, Timestamp};
use uuid::Uuid;

use crate::{Unit, failure::StatementError};

const COMPLETE: &str = "\
    state = 'completed', lease_token = NULL, lease_expires_at = NULL, finished_at = $2, last_error = NULL, \
    secret = NULL, secret_key_id = NULL, secret_expires_at = NULL";
const RETRY: &str = "state = 'scheduled', lease_token = NULL, lease_expires_at = NULL, run_at = $2, last_error = $3";
const MAKE_DEAD_LETTER: &str =
    "state = 'dead', lease_token = NULL, lease_expires_at = NULL, finished_at = $2, last_error = $3";
const SNOOZE: &str =
    "state = 'scheduled', lease_token = NULL, lease_expires_at = NULL, run_at = $2, attempt = attempt - 1";
const HAND_BACK: &str = "state = 'ready', lease_token = NULL, lease_expires_at = NULL, attempt = attempt - 1";
const EXTEND: &str = "lease_expires_at = $2";

#[derive(FromQueryResult)]
struct Hit {
    id: Uuid,
}

impl Unit {
    pub(super) async fn settle(
        &mut self,
        settlements: &[Settlement],
        now: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let all = |outcome: AttemptOutcome| -> Vec<Claim> {
            settlements.iter().filter(|it| it.outcome == outcome).map(|it| it.claim).collect()
        };
        let mut refused = self.change_claimed(&all(AttemptOutcome::Completed), COMPLETE, [now.utc().into()]).await?;
        refused.extend(self.change_claimed(&all(AttemptOutcome::HandedBack), HAND_BACK, []).await?);
        for Settlement { claim, outcome } in settlements {
            let (change, at, error) = match outcome {
                AttemptOutcome::Completed | AttemptOutcome::HandedBack => continue,
                AttemptOutcome::RetryAt { at, error } => (RETRY, *at, Some(error.as_str())),
                AttemptOutcome::Dead { error } | AttemptOutcome::Discarded { error } => {
                    (MAKE_DEAD_LETTER, now, Some(error.as_str()))
                }
                AttemptOutcome::Snoozed { until } => (SNOOZE, *until, None),
            };
            let values = std::iter::once(Value::from(at.utc())).chain(error.map(Value::from));
            refused.extend(self.change_claimed(std::slice::from_ref(claim), change, values).await?);
        }
        Ok(refused)
    }

    pub(super) async fn extend(&mut self, claims: &[Claim], until: Timestamp) -> Result<Vec<Claim>, StoreError> {
        self.change_claimed(claims, EXTEND, [until.utc().into()]).await
    }

    /// Changes the jobs of these claims, and returns the claims that are no longer valid.
    async fn change_claimed(
        &mut self,
        claims: &[Claim],
        change: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Claim>, StoreError> {
        let list = if self.is_postgres() {
            "SELECT id, token FROM jsonb_to_recordset($1::jsonb) AS listed (id uuid, token uuid)"
        } else {
            "SELECT unhex(value ->> 'id', '-') AS id, unhex(value ->> 'token', '-') AS token FROM json_each($1)"
        };
        // Only running jobs have a token, so the condition leaves `state` out. With `state`, PostgreSQL might use the
        // index of running jobs, in which it reads past all jobs that ran since the last vacuum.
        let sql = format!(
            "WITH claims AS ({list}) UPDATE jobs SET {change} FROM claims \
             WHERE jobs.id = claims.id AND jobs.lease_token = claims.token \
             RETURNING jobs.id"
        );
        let values: Vec<Value> = values.into_iter().collect();
        let mut refused = Vec::new();
        for claims in each_job_once(claims) {
            let listed: Vec<_> = claims
                .iter()
                .map(|claim| serde_json::json!({ "id": claim.job.uuid(), "token": claim.token }))
                .collect();
            let listed = Value::from(serde_json::Value::from(listed).to_string());
            let statement = self.sql(&sql, std::iter::once(listed).chain(values.iter().cloned()));
            let rows = self.run(self.transaction.query_all_raw(statement)).await?;
            let mut hit = HashSet::with_capacity(rows.len());
            for row in rows {
                hit.insert(JobId::from_uuid(Hit::from_query_result(&row, "").map_err(StatementError::from)?.id));
            }
            refused.extend(claims.into_iter().filter(|claim| !hit.contains(&claim.job)));
        }
        Ok(refused)
    }
}

/// Splits the claims into lists that name each job at most once, since a statement only reports which jobs it changed.
/// Almost always there is one list. A worker has two claims to a job when it claimed the job again without settling the
/// first claim.
fn each_job_once(claims: &[Claim]) -> Vec<Vec<Claim>> {
    let mut named: HashMap<JobId, usize> = HashMap::with_capacity(claims.len());
    let mut lists: Vec<Vec<Claim>> = Vec::new();
    for claim in claims {
        let times = named.entry(claim.job).or_default();
        if *times == lists.len() {
            lists.push(Vec::new());
        }
        lists[*times].push(*claim);
        *times += 1;
    }
    lists
}
