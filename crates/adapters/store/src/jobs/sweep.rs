//! Deleting what is over, a portion at a time.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, FromQueryResult};
use tenantry_jobs::{Stale, Sweep, SweepMode, Sweeper};
use tenantry_kernel::StoreError;

use crate::{Unit, failure::Failure};

/// Where stale rows lie.
struct Place {
    table: &'static str,
    /// When a row is over; `$1` is the moment of the sweep.
    over: String,
    /// The column that names the tenant, where rows belong to tenants.
    tenant: Option<&'static str>,
}

#[derive(FromQueryResult)]
struct Counted {
    count: i64,
}

fn place(rows: Stale) -> Place {
    let expired = |table, tenant| Place { table, over: "expires_at < $1".to_owned(), tenant };
    match rows {
        Stale::Invitations => expired("invitations", Some("tenant_id")),
        Stale::Sessions => expired("sessions", Some("tenant_id")),
        Stale::Links => expired("links", None),
        Stale::Registrations => expired("registrations", None),
        Stale::Jobs(state) => {
            let over = format!("state = '{}' AND finished_at < $1", state.name());
            Place { table: "jobs", over, tenant: Some("lane") }
        }
        Stale::Attempts => Place { table: "attempts", over: "resets_at < $1".to_owned(), tenant: None },
        Stale::KnownSources => Place { table: "known_sources", over: "succeeded_at < $1".to_owned(), tenant: None },
        Stale::Answers => Place { table: "answers", over: "answered_at < $1".to_owned(), tenant: Some("lane") },
        // What has no time is older than the column.
        Stale::AuthorityChanges => Place {
            table: "authority_changes",
            over: "(changed_at IS NULL OR changed_at < $1)".to_owned(),
            tenant: None,
        },
        Stale::ScheduleTicks => Place {
            table: "schedule_ticks",
            over: "fired_at < $1 AND EXISTS (SELECT 1 FROM schedule_ticks AS later \
                   WHERE later.schedule = schedule_ticks.schedule AND later.tick > schedule_ticks.tick)"
                .to_owned(),
            tenant: None,
        },
    }
}

#[async_trait]
impl Sweeper for Unit {
    async fn sweep(&mut self, rows: Stale, sweep: Sweep) -> Result<u64, StoreError> {
        self.require_system()?;
        let Place { table, over, tenant: column } = place(rows);
        let mut values = vec![sweep.before.utc().into()];
        let of_tenant = match (sweep.tenant, column) {
            (None, _) => String::new(),
            (Some(tenant), Some(column)) => {
                values.push(tenant.uuid().into());
                format!(" AND {column} = $2")
            }
            (Some(_), None) => return Err(StoreError::Misuse("no tenant has rows of this table")),
        };
        match sweep.mode {
            SweepMode::Count => {
                let sql = format!("SELECT count(*) AS count FROM {table} WHERE {over}{of_tenant}");
                let inconsistent = || StoreError::Inconsistent { table, column: "(how many there are)" };
                let row = self.run(self.transaction.query_one_raw(self.sql(&sql, values))).await?;
                let row = row.ok_or_else(inconsistent)?;
                let counted = Counted::from_query_result(&row, "").map_err(Failure::from)?;
                u64::try_from(counted.count).map_err(|_| inconsistent())
            }
            SweepMode::Delete { at_most } => {
                // A row that changes meanwhile has another place on PostgreSQL, and stays for the next time.
                let sql = if self.is_postgres() {
                    format!(
                        "DELETE FROM {table} WHERE ctid = ANY (ARRAY \
                         (SELECT ctid FROM {table} WHERE {over}{of_tenant} LIMIT {at_most}))"
                    )
                } else {
                    format!(
                        "DELETE FROM {table} WHERE rowid IN \
                         (SELECT rowid FROM {table} WHERE {over}{of_tenant} LIMIT {at_most})"
                    )
                };
                Ok(self.run(self.transaction.execute_raw(self.sql(&sql, values))).await?.rows_affected())
            }
        }
    }
}
