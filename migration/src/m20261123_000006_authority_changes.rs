//! Changes of authority, which every process reads.

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

const UP: &[&str] = &["CREATE TABLE authority_changes (
        id $serial,
        session_id $uuid,
        user_id $uuid,
        tenant_id $uuid
    )"];

// Ids become visible out of order; the id of the writing transaction tells a reader which rows it may not have seen
// yet.
const UP_ON_POSTGRES: &[&str] = &[
    "ALTER TABLE authority_changes ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id()",
    "CREATE INDEX authority_changes_xid ON authority_changes (xid)",
];
