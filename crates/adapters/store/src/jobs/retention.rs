//! Deletes or counts expired rows, a portion at a time.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, FromQueryResult};
use tenantry_jobs::{ExpiredRows, RetentionMode, RetentionPass, RetentionStore};
use tenantry_kernel::StoreError;

use crate::{
    TABLES, Unit,
    failure::StatementError,
    table::{ExpiringRows, Table},
};

#[derive(FromQueryResult)]
struct Counted {
    count: i64,
}

/// Returns the table that declares these rows, and its declaration.
fn declared(rows: ExpiredRows) -> Result<(&'static str, &'static ExpiringRows), StoreError> {
    let of = |table: &'static Table| table.expiring().find(|known| known.rows == rows).map(|found| (table.name, found));
    TABLES.iter().find_map(of).ok_or(StoreError::Misuse("no table declares these rows"))
}

#[async_trait]
impl RetentionStore for Unit {
    async fn apply_retention(&mut self, rows: ExpiredRows, pass: RetentionPass) -> Result<u64, StoreError> {
        self.require_system()?;
        let (table, ExpiringRows { over, tenant: column, .. }) = declared(rows)?;
        let mut values = vec![pass.before.utc().into()];
        let of_tenant = match (pass.tenant, column) {
            (None, _) => String::new(),
            (Some(tenant), Some(column)) => {
                values.push(tenant.uuid().into());
                format!(" AND {column} = $2")
            }
            (Some(_), None) => return Err(StoreError::Misuse("the table has no column for a tenant")),
        };
        match pass.mode {
            RetentionMode::Count => {
                let sql = format!("SELECT count(*) AS count FROM {table} WHERE {over}{of_tenant}");
                let inconsistent = || StoreError::Inconsistent { table, column: "(how many there are)" };
                let row = self.run(self.transaction.query_one_raw(self.sql(&sql, values))).await?;
                let row = row.ok_or_else(inconsistent)?;
                let counted = Counted::from_query_result(&row, "").map_err(StatementError::from)?;
                u64::try_from(counted.count).map_err(|_| inconsistent())
            }
            RetentionMode::Delete { at_most } => {
                // On PostgreSQL a row that changes meanwhile gets another `ctid`, and is left for the next run.
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
