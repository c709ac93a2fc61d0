//! Tests that each filter uses an index, however long the log is.

use sqlx::Row;

use crate::support::Sql;

/// The query of a page of the list with each filter, as the store writes it, and the index that has its order. A group
/// of actions is queried action by action.
const FILTERS: [(&str, &str); 6] = [
    ("id IS NOT NULL", "journal_tenant"),
    ("action = 'role.created'", "journal_tenant_action"),
    ("actor_id = {id}", "journal_tenant_actor"),
    ("target_type = 'role'", "journal_tenant_target_type"),
    ("target_id = {id}", "journal_tenant_target"),
    ("outcome = 'denied' AND outcome <> 'succeeded'", "journal_tenant_refused"),
];

on_both_databases! {
    async fn the_journal_has_six_indexes_beside_its_key(server: Server) {
        let sql = match server.sql {
            Sql::Sqlite(_) => "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name = 'journal' AND name NOT LIKE 'sqlite_%'",
            Sql::Postgres(_) => "SELECT count(*) FROM pg_indexes WHERE tablename = 'journal' AND indexname <> 'journal_pkey'",
        };
        assert_eq!(server.sql.number(sql).await, 6);
    }

    async fn each_filter_goes_by_an_index(server: Server) {
        let acme = server.tenant("acme").await;
        let id = server.sql.id(&acme.id);
        for (filter, index) in FILTERS {
            let filter = filter.replace("{id}", &id);
            let select = format!("SELECT id FROM journal WHERE tenant_id = {id} AND {filter} ORDER BY id DESC LIMIT 21");
            let plan = match &server.sql {
                Sql::Sqlite(pool) => {
                    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {select}"));
                    let rows = sqlx::query(explain).fetch_all(pool).await.unwrap();
                    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
                }
                Sql::Postgres(pool) => {
                    let mut connection = pool.acquire().await.unwrap();
                    for kind in ["seqscan", "sort", "bitmapscan"] {
                        let off = sqlx::AssertSqlSafe(format!("SET enable_{kind} = off"));
                        sqlx::query(off).execute(&mut *connection).await.unwrap();
                    }
                    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("EXPLAIN {select}"))).fetch_all(&mut *connection).await.unwrap()
                }
            };
            let plan = plan.join(" ");
            assert!(plan.split_whitespace().any(|word| word == index), "{filter}: {plan}");
            assert!(!plan.contains("Sort") && !plan.contains("TEMP B-TREE"), "{filter}: {plan}");
        }
    }
}
