//! The queue for many tenants and many workers: claims rotate over the tenants, scheduled jobs have their own state,
//! and each tick of a schedule fires once.
//!
//! The table is recreated, since SQLite cannot change a column's check.

use sea_orm_migration::{prelude::*, sea_orm::DatabaseBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Jobs without a tenant share one tenant key.
        let nobody = match manager.get_database_backend() {
            DatabaseBackend::Postgres => "'00000000-0000-0000-0000-000000000000'::uuid",
            _ => "x'00000000000000000000000000000000'",
        };
        let create = CREATE.replace("{nobody}", nobody);
        crate::run(manager, &["ALTER TABLE jobs RENAME TO jobs_before", create.as_str()]).await?;
        crate::run(manager, MOVE_AND_INDEX).await?;
        crate::run_on_postgres(manager, ON_POSTGRES).await?;
        crate::isolate_tenants(manager, &["jobs", "schedules", "schedule_ticks"], POLICIES).await
    }
}

const CREATE: &str = "CREATE TABLE jobs (
        id $uuid PRIMARY KEY,
        tenant_id $uuid REFERENCES tenants (id) ON DELETE CASCADE,
        lane $uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, {nobody})) STORED,
        queue $text NOT NULL,
        kind $text NOT NULL,
        version integer NOT NULL,
        payload $text NOT NULL,
        secret $bytes,
        secret_key_id $text,
        secret_expires_at $time,
        priority integer NOT NULL,
        run_at $time NOT NULL,
        state $text NOT NULL CHECK (state IN ('scheduled', 'ready', 'running', 'completed', 'dead', 'cancelled')),
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
        CHECK ((state IN ('completed', 'dead', 'cancelled')) = (finished_at IS NOT NULL)),
        CHECK ((secret IS NULL) = (secret_key_id IS NULL))
    )";

const MOVE_AND_INDEX: &[&str] = &[
    // Unique keys had their tenant as a prefix.
    "INSERT INTO jobs (id, tenant_id, queue, kind, version, payload, secret, secret_key_id, secret_expires_at, priority,
                       run_at, state, attempt, max_attempts, lease_token, lease_expires_at, unique_key, last_error,
                       trace, created_at, finished_at)
        SELECT id, tenant_id, queue, kind, version, payload, secret, secret_key_id, secret_expires_at, priority,
               run_at, CASE state WHEN 'ready' THEN 'scheduled' ELSE state END, attempt, max_attempts, lease_token,
               lease_expires_at, substr(unique_key, 38), last_error, trace, created_at, finished_at
        FROM jobs_before",
    "DROP TABLE jobs_before",
    "CREATE INDEX jobs_ready ON jobs (queue, lane, priority DESC, run_at, id) WHERE state = 'ready'",
    "CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE state = 'scheduled'",
    "CREATE INDEX jobs_running ON jobs (lane, lease_expires_at) WHERE state = 'running'",
    "CREATE INDEX jobs_finished ON jobs (state, lane, finished_at) WHERE finished_at IS NOT NULL",
    "CREATE INDEX jobs_secret ON jobs (secret_expires_at) WHERE secret IS NOT NULL",
    "CREATE INDEX jobs_lane ON jobs (lane, id)",
    "CREATE UNIQUE INDEX jobs_unique ON jobs (lane, kind, unique_key)
        WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'ready', 'running')",
    "CREATE TABLE schedules (
        name $text PRIMARY KEY,
        cron $text NOT NULL,
        created_at $time NOT NULL
    )",
    "CREATE TABLE schedule_ticks (
        schedule $text NOT NULL REFERENCES schedules (name) ON DELETE CASCADE,
        tick $time NOT NULL,
        fired_at $time NOT NULL,
        PRIMARY KEY (schedule, tick)
    )",
];

/// Each job is written three times within seconds, so vacuum must run often.
const ON_POSTGRES: &[&str] = &["ALTER TABLE jobs SET
    (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)"];

const POLICIES: &[&str] = &[
    "CREATE POLICY visible ON jobs FOR SELECT USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY enqueued ON jobs FOR INSERT WITH CHECK
        (is_system() OR tenant_id = cur_tenant() OR (tenant_id IS NULL AND cur_person() IS NOT NULL))",
    "CREATE POLICY changed ON jobs FOR UPDATE USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY pruned ON jobs FOR DELETE USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY system ON schedules USING (is_system())",
    "CREATE POLICY system ON schedule_ticks USING (is_system())",
];
