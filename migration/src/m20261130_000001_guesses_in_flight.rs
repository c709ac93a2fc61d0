//! Guesses whose password is being checked, one row for each counter. Older programs count a guess in `attempts` at once
//! and do not know this table; both see the failed guesses of the other there.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await?;
        crate::isolate_tenants(manager, &["attempts_in_flight"], POLICIES).await
    }
}

const UP: &[&str] = &["CREATE TABLE attempts_in_flight (
        key $bytes NOT NULL,
        guess $uuid NOT NULL,
        ends_at $time NOT NULL,
        PRIMARY KEY (key, guess)
    )"];

const POLICIES: &[&str] = &["CREATE POLICY counted ON attempts_in_flight USING (is_system())"];
