//! The journal, and beside it the personal part of each entry.

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
    "CREATE TABLE journal (
        id $uuid PRIMARY KEY,
        version integer NOT NULL,
        tenant_id $uuid,
        occurred_at $time NOT NULL,
        action $text NOT NULL,
        action_group $text NOT NULL,
        outcome $text NOT NULL CHECK (outcome IN ('succeeded', 'denied', 'failed')),
        actor_type $text NOT NULL,
        actor_id $uuid,
        on_behalf_of $uuid,
        target_type $text,
        target_id $uuid,
        changes $text NOT NULL,
        request_id $uuid NOT NULL,
        count bigint NOT NULL,
        commitment $bytes NOT NULL
    )",
    "CREATE INDEX journal_tenant ON journal (tenant_id, id)",
    "CREATE INDEX journal_tenant_action ON journal (tenant_id, action, id)",
    "CREATE INDEX journal_tenant_group ON journal (tenant_id, action_group, id)",
    "CREATE INDEX journal_tenant_actor ON journal (tenant_id, actor_id, id)",
    "CREATE INDEX journal_tenant_target ON journal (tenant_id, target_id, id) WHERE target_id IS NOT NULL",
    "CREATE INDEX journal_tenant_refused ON journal (tenant_id, outcome, id) WHERE outcome <> 'succeeded'",
    "CREATE TABLE journal_parts (
        event_id $uuid PRIMARY KEY,
        tenant_id $uuid,
        actor_id $uuid,
        salt $bytes NOT NULL,
        part $text NOT NULL
    )",
];
