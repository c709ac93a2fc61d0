//! Columns and indexes for clean-up: the result of a job, the age of every row that clean-up deletes, and indexes to
//! find those rows.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await?;
        crate::run_on_postgres(manager, UP_ON_POSTGRES).await
    }
}

const UP: &[&str] = &[
    "ALTER TABLE jobs ADD COLUMN result $text",
    "ALTER TABLE authority_changes ADD COLUMN changed_at $time",
    "CREATE INDEX sessions_expires ON sessions (expires_at)",
];

// An older program that runs beside this one does not know the column.
const UP_ON_POSTGRES: &[&str] = &["ALTER TABLE authority_changes ALTER COLUMN changed_at SET DEFAULT now()"];
