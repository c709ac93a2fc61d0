//! Tests of row-level security on PostgreSQL: a statement that lacks its filter by tenant shows nothing of another
//! tenant.
//!
//! The tests read the tables from the database, so that neither they nor the migration can forget a new one.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tenantry_store::{TABLES, Table};
use uuid::Uuid;

use crate::support::postgres;
use fill::fill;

mod fill;

/// The table of the migrations belongs to no tenant.
const MIGRATIONS: &str = "seaql_migrations";

/// Returns every table and view of the database.
async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace \
         AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relname <> $1 ORDER BY relname",
    )
    .bind(MIGRATIONS)
    .fetch_all(connection)
    .await
    .unwrap();
    for known in [
        "attempts",
        "authority_changes",
        "credentials",
        "invitation_roles",
        "invitations",
        "jobs",
        "journal",
        "journal_parts",
        "links",
        "registrations",
        "sessions",
        "users",
    ] {
        assert!(tables.iter().any(|table| table == known), "{known}");
    }
    tables
}

async fn number(connection: &mut PgConnection, sql: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.clone())).fetch_one(connection).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    number(connection, format!("SELECT count(*) FROM {table}")).await
}

/// Sets a scope for the rest of the connection.
async fn set_scope(connection: &mut PgConnection, tenant: &str, person: &str, system: &str) {
    sqlx::query(
        "SELECT set_config('app.tenant', $1, false), set_config('app.person', $2, false), \
         set_config('app.system', $3, false)",
    )
    .bind(tenant)
    .bind(person)
    .bind(system)
    .execute(connection)
    .await
    .unwrap();
}

#[tokio::test]
async fn te6_every_table_forces_row_security() {
    let opened = postgres().await;
    let mut connection = opened.connect().await;
    let all = tables(&mut connection).await;
    let forced: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace \
         AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relrowsecurity AND relforcerowsecurity ORDER BY relname",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(forced, all);
}

#[tokio::test]
async fn te6_a_select_without_scope_returns_no_row() {
    let opened = postgres().await;
    fill(&opened).await;
    let mut connection = opened.connect().await;
    let tables = tables(&mut connection).await;
    for table in &tables {
        assert_eq!(count(&mut connection, table).await, 0, "{table}");
    }
    // Settings that an earlier transaction created and left empty.
    for setting in ["app.tenant", "app.person", "app.system"] {
        let mut transaction = connection.begin().await.unwrap();
        let value = if setting == "app.system" { "on".to_owned() } else { Uuid::nil().to_string() };
        sqlx::query("SELECT set_config($1, $2, true)")
            .bind(setting)
            .bind(value)
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        for table in &tables {
            assert_eq!(count(&mut connection, table).await, 0, "{table} after {setting}");
        }
    }
    set_scope(&mut connection, "", "", "on").await;
    for table in &tables {
        assert!(count(&mut connection, table).await > 0, "{table} has rows, which `fill` has to see to");
    }
}

#[tokio::test]
async fn te6_a_scope_shows_of_each_table_the_rows_that_it_declares() {
    let opened = postgres().await;
    let ((acme, ada), _) = (fill(&opened).await, fill(&opened).await);
    let (mut all, mut scoped) = (opened.connect().await, opened.connect().await);
    set_scope(&mut all, "", "", "on").await;
    let none = Uuid::nil().to_string();
    type Rows = fn(&Table) -> Option<&'static str>;
    let scopes: [(String, String, String, Rows); 2] = [
        (acme.to_string(), acme.to_string(), none, |table| table.of_tenant),
        (ada.to_string(), String::new(), ada.to_string(), |table| table.of_person),
    ];
    for (id, tenant, person, rows) in scopes {
        set_scope(&mut scoped, &tenant, &person, "").await;
        for table in TABLES {
            let (name, shown) = (table.name, count(&mut scoped, table.name).await);
            let Some(rows) = rows(table) else {
                assert_eq!(shown, 0, "{name}");
                continue;
            };
            let rows = rows.replace("$1", &format!("'{id}'"));
            let there = number(&mut all, format!("SELECT count(*) FROM {name} WHERE {rows}")).await;
            assert!(there > 0, "{name} has such rows, which `fill` has to see to");
            assert_eq!(shown, there, "{name}");
            let others = format!("SELECT count(*) FROM {name} WHERE ({rows}) IS NOT TRUE");
            assert_eq!(number(&mut scoped, others).await, 0, "{name}");
        }
    }
}

#[tokio::test]
async fn te6_a_forgotten_filter_shows_the_scoped_tenant_only() {
    let opened = postgres().await;
    let ((acme, ada), (globex, _)) = (fill(&opened).await, fill(&opened).await);
    let mut connection = opened.connect().await;
    let with_tenant: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attname = 'tenant_id'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(with_tenant.len() >= 10, "{with_tenant:?}");

    // The nil id belongs to no user, so that only the tenant counts.
    set_scope(&mut connection, &acme.to_string(), &Uuid::nil().to_string(), "").await;
    for table in &with_tenant {
        let foreign = format!("SELECT count(*) FROM {table} WHERE tenant_id IS DISTINCT FROM '{acme}'");
        assert_eq!(number(&mut connection, foreign).await, 0, "{table}");
        let own = count(&mut connection, table).await;
        assert_eq!(own > 0, table != "authority_changes", "{table} shows {own} of its own");
    }
    assert_eq!(number(&mut connection, format!("SELECT count(*) FROM tenants WHERE id <> '{acme}'")).await, 0);
    assert_eq!(count(&mut connection, "tenants").await, 1);
    assert_eq!(number(&mut connection, format!("SELECT count(*) FROM users WHERE id = '{ada}'")).await, 1);
    assert_eq!(count(&mut connection, "users").await, 1, "its only member");
    for table in [
        "credentials",
        "links",
        "registrations",
        "attempts",
        "attempts_in_flight",
        "known_sources",
        "authority_changes",
        "answers",
    ] {
        assert_eq!(count(&mut connection, table).await, 0, "{table}");
    }

    // A filter by the other tenant's id finds nothing either.
    for table in &with_tenant {
        let theirs = format!("SELECT count(*) FROM {table} WHERE tenant_id = '{globex}'");
        assert_eq!(number(&mut connection, theirs).await, 0, "{table}");
    }
}

#[tokio::test]
async fn te6_a_forgotten_filter_shows_a_person_their_own_only() {
    let opened = postgres().await;
    let ((_, ada), _) = (fill(&opened).await, fill(&opened).await);
    let mut connection = opened.connect().await;
    set_scope(&mut connection, "", &ada.to_string(), "").await;
    for table in ["links", "credentials", "sessions", "memberships", "membership_roles", "answers"] {
        let foreign = format!("SELECT count(*) FROM {table} WHERE user_id <> '{ada}'");
        assert_eq!(number(&mut connection, foreign).await, 0, "{table}");
        assert!(count(&mut connection, table).await > 0, "{table}");
    }
    // An invitation or a registration for the user's address is not the user's own: a link proves the mailbox first.
    for table in ["invitations", "invitation_roles", "registrations", "jobs"] {
        assert_eq!(count(&mut connection, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn te6_a_forgotten_filter_changes_the_scoped_tenant_only() {
    let opened = postgres().await;
    let ((acme, _), (globex, grace)) = (fill(&opened).await, fill(&opened).await);
    let mut connection = opened.connect().await;
    let tables = tables(&mut connection).await;
    set_scope(&mut connection, "", "", "on").await;
    let rows = format!(
        "SELECT (SELECT count(*) FROM roles WHERE tenant_id = '{globex}') + \
         (SELECT count(*) FROM memberships WHERE tenant_id = '{globex}') + \
         (SELECT count(*) FROM membership_roles WHERE tenant_id = '{globex}') + \
         (SELECT count(*) FROM invitations WHERE tenant_id = '{globex}' AND state = 'open') + \
         (SELECT count(*) FROM invitation_roles WHERE tenant_id = '{globex}') + \
         (SELECT count(*) FROM jobs WHERE payload = '{{}}' AND tenant_id IS DISTINCT FROM '{acme}') + \
         (SELECT count(*) FROM links) + (SELECT count(*) FROM registrations) + \
         (SELECT count(*) FROM sessions WHERE user_id = '{grace}' AND ended_at IS NULL) + \
         (SELECT count(*) FROM journal) + (SELECT count(*) FROM journal_parts) + \
         (SELECT count(*) FROM users) + (SELECT count(*) FROM credentials) + (SELECT count(*) FROM tenants) + \
         (SELECT count(*) FROM attempts) + (SELECT count(*) FROM attempts_in_flight) + \
         (SELECT count(*) FROM known_sources) + \
         (SELECT count(*) FROM authority_changes) + (SELECT count(*) FROM answers)"
    );
    let before = number(&mut connection, rows.clone()).await;

    set_scope(&mut connection, &acme.to_string(), &Uuid::nil().to_string(), "").await;
    let renamed = sqlx::raw_sql("UPDATE roles SET description = 'all of them'").execute(&mut connection).await.unwrap();
    assert_eq!(renamed.rows_affected(), 4, "the default roles of one tenant");
    sqlx::raw_sql("UPDATE sessions SET ended_at = now(), end_reason = 'revoked'")
        .execute(&mut connection)
        .await
        .unwrap();
    let invited = sqlx::raw_sql("UPDATE invitations SET state = 'revoked'").execute(&mut connection).await.unwrap();
    assert_eq!(invited.rows_affected(), 1, "the invitation of one tenant");
    let worked = sqlx::raw_sql("UPDATE jobs SET payload = 'mine'").execute(&mut connection).await.unwrap();
    assert_eq!(worked.rows_affected(), 1, "the job of one tenant");
    sqlx::raw_sql("DELETE FROM membership_roles; DELETE FROM memberships; DELETE FROM roles")
        .execute(&mut connection)
        .await
        .unwrap();
    for table in tables.iter().filter(|table| *table != "tenants" && *table != "sessions") {
        let delete = format!("DELETE FROM {table}");
        sqlx::raw_sql(AssertSqlSafe(delete)).execute(&mut connection).await.unwrap();
    }
    for (table, columns) in [
        ("roles", "tenant_id, name"),
        ("journal", "tenant_id"),
        ("memberships", "tenant_id"),
        ("invitations", "tenant_id"),
        ("invitation_roles", "tenant_id"),
        ("jobs", "tenant_id"),
        ("links", "user_id"),
        ("registrations", "name"),
    ] {
        let values = columns.replace("tenant_id", &format!("'{globex}'")).replace("name", "'spy'");
        let values = values.replace("user_id", &format!("'{grace}'"));
        let smuggle = format!("INSERT INTO {table} ({columns}) VALUES ({values})");
        let refused = sqlx::raw_sql(AssertSqlSafe(smuggle)).execute(&mut connection).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code()).map(|code| code.to_string());
        // 42501 is the code of a policy; 23502 is that of a missing column, which PostgreSQL checks later.
        assert_eq!(code.as_deref(), Some("42501"), "{table}: {refused}");
    }

    set_scope(&mut connection, "", "", "on").await;
    assert_eq!(number(&mut connection, rows).await, before, "nothing of the other tenant, nor of the journal");
    let untouched = format!("SELECT count(*) FROM roles WHERE tenant_id = '{globex}' AND description <> 'all of them'");
    assert_eq!(number(&mut connection, untouched).await, 4);
}
