//! Sessions. Refresh tokens are derived from the counter, so there is no row per token.

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
    "CREATE TABLE sessions (
        id $uuid PRIMARY KEY,
        sign_in_id $uuid NOT NULL,
        user_id $uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        tenant_id $uuid REFERENCES tenants (id) ON DELETE CASCADE,
        key_id $text NOT NULL,
        rotation bigint NOT NULL,
        seen_rotation bigint NOT NULL,
        created_at $time NOT NULL,
        rotated_at $time NOT NULL,
        last_used_at $time NOT NULL,
        expires_at $time NOT NULL,
        ended_at $time,
        end_reason $text,
        user_agent $text,
        ip $text
    )",
    "CREATE INDEX sessions_user ON sessions (user_id) WHERE ended_at IS NULL",
    "CREATE INDEX sessions_sign_in ON sessions (sign_in_id) WHERE ended_at IS NULL",
    "CREATE INDEX sessions_tenant ON sessions (tenant_id, user_id) WHERE ended_at IS NULL",
];
