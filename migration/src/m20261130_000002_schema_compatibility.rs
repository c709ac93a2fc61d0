//! The oldest program that may run on the schema. Programs that are older refuse to start.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await?;
        crate::isolate_tenants(manager, &["schema_compatibility"], POLICIES).await
    }
}

const UP: &[&str] = &[
    // Its check keeps the table at one row.
    "CREATE TABLE schema_compatibility (
        id integer PRIMARY KEY CHECK (id = 1),
        oldest_program $text NOT NULL
    )",
    "INSERT INTO schema_compatibility (id, oldest_program) VALUES (1, '0.1.0')",
];

const POLICIES: &[&str] = &["CREATE POLICY system ON schema_compatibility USING (is_system())"];
