//! The job queue. This table is its only source of truth.

mod admin;
mod claims;
mod enqueue;
mod job_claims;
mod retention;
mod row;
mod schedules;
mod settle;

use sea_orm::Value;
use tenantry_jobs::{CleanUpTarget, ExpiredRows, JobState, PayloadFormat};
use tenantry_kernel::StoreError;

use crate::{
    Unit,
    table::{ColumnErasure, DAY, ExpiringRows, Expiry, PersonalColumn, RowRetention, Table},
};

pub(crate) const TABLE: Table = Table {
    name: "jobs",
    of_tenant: Some("tenant_id = $1"),
    of_person: None,
    expires: &[
        Expiry::CleanUp(ExpiringRows {
            target: CleanUpTarget::FinishedJobs,
            rows: ExpiredRows::Jobs(JobState::Completed),
            what: "completed jobs",
            over: "state = 'completed' AND finished_at < $1",
            tenant: Some("lane"),
            kept: RowRetention::CompletedJobs,
        }),
        Expiry::CleanUp(ExpiringRows {
            target: CleanUpTarget::FinishedJobs,
            rows: ExpiredRows::Jobs(JobState::Cancelled),
            what: "cancelled jobs",
            over: "state = 'cancelled' AND finished_at < $1",
            tenant: Some("lane"),
            kept: RowRetention::CompletedJobs,
        }),
        Expiry::CleanUp(ExpiringRows {
            target: CleanUpTarget::FinishedJobs,
            rows: ExpiredRows::Jobs(JobState::Dead),
            what: "dead letters",
            over: "state = 'dead' AND finished_at < $1",
            tenant: Some("lane"),
            kept: RowRetention::DeadJobs,
        }),
    ],
    personal: &[PersonalColumn::new("payload", ColumnErasure::DeleteByAddressInText)],
};

pub(crate) const SCHEDULES_TABLE: Table = Table {
    name: "schedules",
    of_tenant: None,
    of_person: None,
    expires: &[],
    personal: &[PersonalColumn::stays("name", "the name of a schedule")],
};

pub(crate) const TICKS_TABLE: Table = Table {
    name: "schedule_ticks",
    of_tenant: None,
    of_person: None,
    expires: &[
        // Nothing reads older ticks; a week of them shows whether schedules have fired.
        Expiry::CleanUp(ExpiringRows {
            target: CleanUpTarget::ScheduleTicks,
            rows: ExpiredRows::ScheduleTicks,
            what: "times at which schedules fired, except the last of each",
            over: "fired_at < $1 AND EXISTS (SELECT 1 FROM schedule_ticks AS later \
 WHERE later.schedule = schedule_ticks.schedule AND later.tick > schedule_ticks.tick)",
            tenant: None,
            kept: RowRetention::For(DAY.saturating_mul(7)),
        }),
    ],
    personal: &[],
};

impl Unit {
    /// Returns the clause by which a unit skips rows that another unit has locked. SQLite needs none, since it has one
    /// writer.
    fn skip_locked(&self) -> &'static str {
        if self.is_postgres() { "FOR UPDATE SKIP LOCKED" } else { "" }
    }

    /// Returns the condition by which a query of jobs leaves some formats out, and its value, the placeholder with this
    /// number. Usually a worker can run every job; then there is neither.
    fn except(&self, formats: &[PayloadFormat], placeholder: usize) -> Result<(String, Option<Value>), StoreError> {
        if formats.is_empty() {
            return Ok((String::new(), None));
        }
        let names: Vec<String> = formats.iter().map(|format| format!("{} {}", format.kind, format.version)).collect();
        let names = serde_json::to_string(&names).map_err(|error| StoreError::Failed(Box::new(error)))?;
        // An array, since PostgreSQL may join with a subquery, and then no longer reads the jobs in the order of their
        // index.
        let condition = if self.is_postgres() {
            format!(
                "AND jobs.kind || ' ' || jobs.version <> \
                 ALL (ARRAY (SELECT jsonb_array_elements_text(${placeholder}::jsonb)))"
            )
        } else {
            format!("AND jobs.kind || ' ' || jobs.version NOT IN (SELECT value FROM json_each(${placeholder}))")
        };
        Ok((condition, Some(names.into())))
    }
}
