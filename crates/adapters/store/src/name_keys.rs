//! Counts the keys of names that an older version stored with characters that are left out today.

use sea_orm::ConnectionTrait;
use tenantry_kernel::{StoreError, ignorable_ranges};

use crate::{failure::StatementError, unit::Unit};

/// Numbers of rows whose stored key differs from the one that a change of the row would write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutdatedKeys {
    /// Roles.
    pub roles: u64,
    /// Memberships.
    pub members: u64,
    /// Files.
    pub files: u64,
}

impl Unit {
    /// Counts the rows with an outdated key. It reads every row of three tables. Only for System units.
    pub async fn outdated_keys(&mut self) -> Result<OutdatedKeys, StoreError> {
        self.require_system()?;
        let class: String = ignorable_ranges().flat_map(|range| [*range.start(), '-', *range.end()]).collect();
        let (has, pattern) =
            if self.is_postgres() { ("~", format!("[{class}]")) } else { ("GLOB", format!("*[{class}]*")) };
        let sql = format!(
            "SELECT (SELECT count(*) FROM roles WHERE name_key {has} $1) AS roles, \
               (SELECT count(*) FROM memberships WHERE name_key {has} $1 OR email_key {has} $1) AS members, \
               (SELECT count(*) FROM files WHERE name_key {has} $1) AS files"
        );
        let select = self.sql(&sql, [pattern.into()]);
        let row = self.run(self.transaction.query_one_raw(select)).await?;
        let row = row.ok_or(StoreError::Misuse("a count returned no row"))?;
        let count = |column: &str| -> Result<u64, StoreError> {
            let count: i64 = row.try_get("", column).map_err(StatementError::from)?;
            Ok(count.unsigned_abs())
        };
        Ok(OutdatedKeys { roles: count("roles")?, members: count("members")?, files: count("files")? })
    }
}
