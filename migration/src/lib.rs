//! The schema of both databases, one file per change. Each change is written once; only the names of types differ.

use sea_orm_migration::{
    MigrationTrait, MigratorTrait, SchemaManager,
    sea_orm::{ConnectionTrait, DatabaseBackend, DbErr},
};
use semver::Version;

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
mod m20261130_000002_schema_compatibility;

/// A change of the schema.
struct Step {
    migration: Box<dyn MigrationTrait>,
    /// The oldest version of the program that may run on the schema after this change.
    oldest_program: Version,
}

fn step(migration: impl MigrationTrait + 'static, oldest_program: Version) -> Step {
    Step { migration: Box::new(migration), oldest_program }
}

const V0_1_0: Version = Version::new(0, 1, 0);

/// Returns all changes, oldest first.
///
/// A change that an older program cannot live with declares the version that can. That version must have been released
/// before, so that a rolling upgrade is possible: first a release stops using what a later one removes.
fn steps() -> Vec<Step> {
    vec![
        step(m20261123_000001_people::Migration, V0_1_0),
        step(m20261123_000002_tenants::Migration, V0_1_0),
        step(m20261123_000003_sessions::Migration, V0_1_0),
        step(m20261123_000004_journal::Migration, V0_1_0),
        step(m20261123_000005_attempts::Migration, V0_1_0),
        step(m20261123_000006_authority_changes::Migration, V0_1_0),
        step(m20261123_000007_row_level_security::Migration, V0_1_0),
        step(m20261124_000001_links::Migration, V0_1_0),
        step(m20261124_000002_jobs::Migration, V0_1_0),
        step(m20261124_000003_job_queue::Migration, V0_1_0),
        step(m20261124_000004_clean_up::Migration, V0_1_0),
        step(m20261125_000001_processes::Migration, V0_1_0),
        step(m20261125_000002_files::Migration, V0_1_0),
        step(m20261125_000003_seals::Migration, V0_1_0),
        step(m20261125_000005_idempotency::Migration, V0_1_0),
        step(m20261130_000001_guesses_in_flight::Migration, V0_1_0),
        step(m20261130_000002_schema_compatibility::Migration, V0_1_0),
    ]
}

/// All changes, oldest first.
pub struct Migrator;

impl Migrator {
    /// Returns the oldest version of the program that may run on the schema after all changes.
    pub fn oldest_program() -> Version {
        steps().into_iter().map(|step| step.oldest_program).max().unwrap_or(V0_1_0)
    }
}

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        steps().into_iter().map(|step| step.migration).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    /// A step cannot be listed without the version; this test finds files that are not listed.
    #[test]
    fn every_migration_declares_the_oldest_program_that_may_run_after_it() {
        let this = Version::parse(env!("CARGO_PKG_VERSION")).expect("a version");
        let mut declared = BTreeSet::new();
        for step in steps() {
            let (name, oldest) = (step.migration.name().to_owned(), step.oldest_program);
            assert!(oldest <= this, "{name}: {oldest} is newer than this program, {this}");
            assert!(declared.insert(name.clone()), "{name} is listed twice");
        }
        let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("the sources");
        let names = files.map(|file| file.expect("a file").path().file_stem().expect("a name").display().to_string());
        assert_eq!(names.filter(|name| name.starts_with("m2")).collect::<BTreeSet<_>>(), declared);
    }
}
