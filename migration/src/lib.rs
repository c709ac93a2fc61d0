//! The schema of both databases, one file per change. Each change is written once; only the names of types differ.

use sea_orm_migration::{
    MigrationTrait, MigratorTrait, SchemaManager, async_trait,
    sea_orm::{ConnectionTrait, DatabaseBackend, DbErr},
};

mod m20261123_000001_people;
mod m20261123_000002_tenants;
mod m20261123_000003_sessions;
mod m20261123_000004_journal;
mod m20261123_000005_attempts;
mod m20261123_000006_authority_changes;
mod m20261123_000007_row_level_security;
mod m20261124_000001_links;
mod m20261124_000002_jobs;
mod m20261124_000003_job_queue;
mod m20261124_000004_clean_up;
mod m20261125_000001_processes;
mod m20261125_000002_files;
mod m20261125_000003_seals;
mod m20261125_000005_idempotency;
mod m20261130_000001_guesses_in_flight;

/// All changes, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_people::Migration),
            Box::new(m20261123_000002_tenants::Migration),
            Box::new(m20261123_000003_sessions::Migration),
            Box::new(m20261123_000004_journal::Migration),
            Box::new(m20261123_000005_attempts::Migration),
            Box::new(m20261123_000006_authority_changes::Migration),
            Box::new(m20261123_000007_row_level_security::Migration),
            Box::new(m20261124_000001_links::Migration),
            Box::new(m20261124_000002_jobs::Migration),
            Box::new(m20261124_000003_job_queue::Migration),
            Box::new(m20261124_000004_clean_up::Migration),
            Box::new(m20261125_000001_processes::Migration),
            Box::new(m20261125_000002_files::Migration),
            Box::new(m20261125_000003_seals::Migration),
            Box::new(m20261125_000005_idempotency::Migration),
            Box::new(m20261130_000001_guesses_in_flight::Migration),
        ]
    }
}

/// Runs statements whose types are written as `$uuid`, `$time`, `$text`, `$bytes` and `$serial`.
///
/// `$text` sorts by bytes on both databases, so that pages and ranges are the same.
async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let types: [(&str, &str); 5] = match manager.get_database_backend() {
        DatabaseBackend::Postgres => [
            ("$uuid", "uuid"),
            ("$time", "timestamptz"),
            ("$text", "text COLLATE \"C\""),
            ("$bytes", "bytea"),
            ("$serial", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
        ],
        _ => [
            ("$uuid", "uuid_blob"),
            ("$time", "datetime_text"),
            ("$text", "text"),
            ("$bytes", "blob"),
            ("$serial", "integer PRIMARY KEY AUTOINCREMENT"),
        ],
    };
    for statement in statements {
        let sql = types.iter().fold((*statement).to_owned(), |sql, (token, name)| sql.replace(token, name));
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// Runs statements on PostgreSQL only.
async fn run_on_postgres(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    match manager.get_database_backend() {
        DatabaseBackend::Postgres => run(manager, statements).await,
        _ => Ok(()),
    }
}

/// Forces row-level security on tables of PostgreSQL and creates these policies.
async fn isolate_tenants(manager: &SchemaManager<'_>, tables: &[&str], policies: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        let enable = format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY");
        let force = format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY");
        run_on_postgres(manager, &[enable.as_str(), force.as_str()]).await?;
    }
    run_on_postgres(manager, policies).await
}
