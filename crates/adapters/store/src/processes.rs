//! Heartbeats of the running processes.

use async_trait::async_trait;
use sea_orm::ConnectionTrait;
use tenantry_kernel::{StoreError, Timestamp};
use tenantry_limits::{ProcessId, Processes};

use crate::{
    Unit,
    failure::StatementError,
    table::{Expiry, Table},
};

pub(crate) const TABLE: Table = Table {
    name: "processes",
    of_tenant: None,
    of_person: None,
    expires: &[Expiry::By {
        function: "Processes::remove_silent_processes",
        rows: "a process that has not reported for a minute",
    }],
    personal: &[],
};

#[async_trait]
impl Processes for Unit {
    async fn note_process(&mut self, id: ProcessId, now: Timestamp) -> Result<(), StoreError> {
        self.require_system()?;
        let sql = "INSERT INTO processes (id, started_at, seen_at) VALUES ($1, $2, $2) \
                   ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at";
        self.run(self.transaction.execute_raw(self.sql(sql, [id.uuid().into(), now.utc().into()]))).await?;
        Ok(())
    }

    async fn live_processes(&mut self, since: Timestamp) -> Result<u32, StoreError> {
        self.require_system()?;
        let sql = "SELECT count(*) AS live FROM processes WHERE seen_at >= $1";
        let row = self.run(self.transaction.query_one_raw(self.sql(sql, [since.utc().into()]))).await?;
        let row = row.ok_or(StoreError::Inconsistent { table: "processes", column: "(their count)" })?;
        let live: i64 = row.try_get("", "live").map_err(StatementError::from)?;
        Ok(u32::try_from(live).unwrap_or(u32::MAX))
    }

    async fn remove_process(&mut self, id: ProcessId) -> Result<(), StoreError> {
        self.require_system()?;
        let sql = "DELETE FROM processes WHERE id = $1";
        self.run(self.transaction.execute_raw(self.sql(sql, [id.uuid().into()]))).await?;
        Ok(())
    }

    async fn remove_silent_processes(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        self.require_system()?;
        let sql = "DELETE FROM processes WHERE seen_at < $1";
        let removed = self.run(self.transaction.execute_raw(self.sql(sql, [before.utc().into()]))).await?;
        Ok(removed.rows_affected())
    }
}
