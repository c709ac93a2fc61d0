//! Tests that the declarations of tables are complete and agree with the database.

use sqlx::{Connection, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_jobs::CleanUpTarget;
use tenantry_store::{TABLES, expiring};

use crate::support::Opened;

on_both_databases! {
    every_table_is_declared
    every_personal_column_is_declared
}

/// Words in the name of a column that suggest personal data.
const PERSONAL: [&str; 11] =
    ["user", "person", "actor", "behalf", "by", "email", "name", "phone", "ip", "agent", "address"];

/// Returns the columns of every table except the one of the migrations.
async fn columns(opened: &Opened) -> BTreeMap<String, BTreeSet<String>> {
    let rows: Vec<(String, String)> = if opened.is_postgres() {
        let columns = "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
                       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
                       AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> 'seaql_migrations'";
        sqlx::query_as(columns).fetch_all(&mut opened.connect().await).await.unwrap()
    } else {
        let columns = "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_xinfo(t.name) c \
                       WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'seaql_migrations'";
        let mut connection = SqliteConnection::connect(opened.database.url()).await.unwrap();
        sqlx::query_as(columns).fetch_all(&mut connection).await.unwrap()
    };
    let mut tables = BTreeMap::<String, BTreeSet<String>>::new();
    for (table, column) in rows {
        tables.entry(table).or_default().insert(column);
    }
    tables
}

async fn every_table_is_declared(opened: Opened) {
    let declared: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    let distinct: BTreeSet<String> = declared.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(distinct.len(), declared.len(), "a table is declared twice");
    assert_eq!(distinct, columns(&opened).await.into_keys().collect());
}

async fn every_personal_column_is_declared(opened: Opened) {
    let tables = columns(&opened).await;
    let mut undeclared = Vec::new();
    for table in TABLES {
        let declared: BTreeSet<&str> = table.personal.iter().map(|column| column.name).collect();
        let there = &tables[table.name];
        for column in &declared {
            assert!(there.contains(*column), "{}.{column} is declared and not there", table.name);
        }
        let looks_personal = |column: &&String| column.split('_').any(|word| PERSONAL.contains(&word));
        let missing = there.iter().filter(looks_personal).filter(|column| !declared.contains(column.as_str()));
        undeclared.extend(missing.map(|column| format!("{}.{column}", table.name)));
    }
    assert!(undeclared.is_empty(), "say in `personal` of their tables what erasure does to {undeclared:?}");
}

#[test]
fn every_target_of_clean_up_has_rows_and_every_row_one_declaration() {
    for target in CleanUpTarget::ALL {
        // Entries of the log are removed by segments, in `remove_oldest_segment`.
        assert_eq!(expiring(*target).next().is_none(), *target == CleanUpTarget::JournalSegments, "{}", target.name());
    }
    let all: Vec<_> = TABLES.iter().flat_map(|table| table.expiring()).map(|rows| rows.rows).collect();
    for (place, rows) in all.iter().enumerate() {
        assert!(!all[..place].contains(rows), "{rows:?} is declared twice");
    }
}
