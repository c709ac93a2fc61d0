//! Background jobs. This table is the only source of truth of the queue.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await?;
        crate::isolate_tenants(manager, &["jobs"], POLICIES).await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE jobs (
        id $uuid PRIMARY KEY,
        tenant_id $uuid REFERENCES tenants (id) ON DELETE CASCADE,
        queue $text NOT NULL,
        kind $text NOT NULL,
        version integer NOT NULL,
        payload $text NOT NULL,
        secret $bytes,
        secret_key_id $text,
        secret_expires_at $time,
        priority integer NOT NULL,
        run_at $time NOT NULL,
        state $text NOT NULL CHECK (state IN ('ready', 'running', 'completed', 'dead', 'cancelled')),
        attempt bigint NOT NULL,
        max_attempts bigint NOT NULL,
        lease_token $uuid,
        lease_expires_at $time,
        unique_key $text,
        last_error $text,
        trace $text,
        created_at $time NOT NULL,
        finished_at $time,
        CHECK ((state = 'running') = (lease_token IS NOT NULL)),
        CHECK ((secret IS NULL) = (secret_key_id IS NULL))
    )",
    "CREATE INDEX jobs_ready ON jobs (run_at, id) WHERE state = 'ready'",
    "CREATE INDEX jobs_running ON jobs (lease_expires_at) WHERE state = 'running'",
    "CREATE INDEX jobs_secret ON jobs (secret_expires_at) WHERE secret IS NOT NULL",
    "CREATE INDEX jobs_tenant ON jobs (tenant_id, id)",
    // The key begins with the tenant.
    "CREATE UNIQUE INDEX jobs_unique ON jobs (kind, unique_key)
        WHERE unique_key IS NOT NULL AND state IN ('ready', 'running')",
];

const POLICIES: &[&str] = &[
    "CREATE POLICY visible ON jobs FOR SELECT USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY enqueued ON jobs FOR INSERT WITH CHECK
        (is_system() OR tenant_id = cur_tenant() OR (tenant_id IS NULL AND cur_person() IS NOT NULL))",
    "CREATE POLICY worked ON jobs FOR UPDATE USING (is_system())",
    "CREATE POLICY pruned ON jobs FOR DELETE USING (is_system())",
];
