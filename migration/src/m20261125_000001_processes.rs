//! The serving processes. Their number divides a rate limit when processes cannot count together.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await?;
        crate::isolate_tenants(manager, &["processes"], POLICIES).await
    }
}

const UP: &[&str] = &["CREATE TABLE processes (
        id $uuid PRIMARY KEY,
        started_at $time NOT NULL,
        seen_at $time NOT NULL
    )"];

const POLICIES: &[&str] = &["CREATE POLICY system ON processes USING (is_system())"];
