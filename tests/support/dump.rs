//! Reads the whole contents of a database, to check that it is unchanged.

use std::collections::BTreeMap;

use super::sql::Sql;

/// Clean-up is scheduled once an hour, at any time of a test.
const SCHEDULING: [&str; 2] = ["schedules", "schedule_ticks"];

/// Columns that change by themselves: times of use are written every half minute.
const MOVING: [&str; 2] = ["last_used_at", "last_seen_at"];

impl Sql {
    /// Waits until no job is left to do.
    pub(crate) async fn settled(&self) {
        super::eventually("every job is done", async || {
            self.number("SELECT count(*) FROM jobs WHERE state IN ('ready', 'running')").await == 0
        })
        .await;
    }

    /// Returns every row of every table as text, in order, once no background work runs.
    pub(crate) async fn dump(&self) -> BTreeMap<String, Vec<String>> {
        self.settled().await;
        let mut dump = BTreeMap::new();
        for table in self.tables().await.into_iter().filter(|table| !SCHEDULING.contains(&table.as_str())) {
            let sql = self.rows_as_text(&table).await;
            dump.insert(table, self.texts(&sql).await);
        }
        dump
    }

    async fn tables(&self) -> Vec<String> {
        match self {
            Self::Sqlite(_) => {
                self.texts("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").await
            }
            Self::Postgres(_) => self.texts("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'").await,
        }
    }

    async fn rows_as_text(&self, table: &str) -> String {
        let which =
            if table == "jobs" { "WHERE NOT (kind IN ('cleanup', 'sweep_blobs') AND tenant_id IS NULL)" } else { "" };
        match self {
            Self::Sqlite(_) => {
                let columns = self.texts(&format!("SELECT name FROM pragma_table_info('{table}')")).await;
                let steady = columns.iter().filter(|column| !MOVING.contains(&column.as_str()));
                let quoted: Vec<String> = steady.map(|column| format!("quote(\"{column}\")")).collect();
                format!("SELECT {} FROM \"{table}\" {which} ORDER BY 1", quoted.join(" || ', ' || "))
            }
            Self::Postgres(_) => {
                let less: Vec<String> = MOVING.iter().map(|column| format!(" - '{column}'")).collect();
                format!("SELECT (to_jsonb(t){})::text FROM \"{table}\" t {which} ORDER BY 1", less.concat())
            }
        }
    }
}
