//! Counters that limit guessing, and the addresses from which sign-ins succeeded before. Keys are digests.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE attempts (
        key $bytes PRIMARY KEY,
        count bigint NOT NULL,
        resets_at $time NOT NULL
    )",
    "CREATE TABLE known_sources (
        account $bytes NOT NULL,
        source $bytes NOT NULL,
        succeeded_at $time NOT NULL,
        PRIMARY KEY (account, source)
    )",
];
