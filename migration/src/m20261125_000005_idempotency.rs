//! Stored responses for repeated requests with the same key.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await?;
        crate::isolate_tenants(manager, &["answers"], POLICIES).await
    }
}

const UP: &[&str] = &[
    // `lane` is the tenant, or nil for a session without one: a null would make the key not unique.
    "CREATE TABLE answers (
        lane $uuid NOT NULL,
        user_id $uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        route $text NOT NULL,
        key $text NOT NULL,
        secret_id $text NOT NULL,
        fingerprint $bytes NOT NULL,
        status integer NOT NULL CHECK (status BETWEEN 200 AND 299),
        headers $text NOT NULL,
        body $bytes NOT NULL,
        answered_at $time NOT NULL,
        PRIMARY KEY (lane, user_id, route, key)
    )",
    "CREATE INDEX answers_answered ON answers (answered_at)",
];

const POLICIES: &[&str] = &["CREATE POLICY own ON answers USING (is_system() OR (user_id = cur_person()
        AND lane = coalesce(cur_tenant(), '00000000-0000-0000-0000-000000000000'::uuid)))"];
