//! Users and their passwords.

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
    "CREATE TABLE users (
        id $uuid PRIMARY KEY,
        email $text NOT NULL,
        email_verified_at $time,
        name $text NOT NULL,
        status $text NOT NULL CHECK (status IN ('enabled', 'disabled')),
        version bigint NOT NULL,
        created_at $time NOT NULL,
        CONSTRAINT users_email UNIQUE (email)
    )",
    "CREATE TABLE credentials (
        user_id $uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
        hash $text NOT NULL,
        version bigint NOT NULL,
        changed_at $time NOT NULL
    )",
];
