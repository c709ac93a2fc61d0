//! Seals of the journal, unsealed entries, and the retention of each tenant.
//!
//! Each unsealed entry has a row in a narrow table until a segment seals it: the journal itself is never updated. A
//! segment stores the list of its entries in one value, which costs 48 bytes per entry and no row.

use sea_orm_migration::{prelude::*, sea_orm::DatabaseBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Entries without a tenant form a chain, and its key needs a value.
        let nobody = match manager.get_database_backend() {
            DatabaseBackend::Postgres => "'00000000-0000-0000-0000-000000000000'::uuid",
            _ => "x'00000000000000000000000000000000'",
        };
        let waiting = WAITING.replace("{nobody}", nobody);
        crate::run(manager, UP).await?;
        // Forced policies hide all entries from a migration without System scope.
        crate::run_on_postgres(manager, &["SELECT set_config('app.system', 'on', true)"]).await?;
        crate::run(manager, &[waiting.as_str()]).await?;
        crate::run_on_postgres(manager, &["SELECT set_config('app.system', '', true)"]).await?;
        crate::run_on_postgres(manager, ON_POSTGRES).await?;
        crate::isolate_tenants(manager, &["journal_unsealed", "journal_segments", "audit_policies"], POLICIES).await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE journal_unsealed (
        chain $uuid NOT NULL,
        event_id $uuid NOT NULL,
        PRIMARY KEY (chain, event_id)
    )",
    "CREATE TABLE journal_segments (
        chain $uuid NOT NULL,
        number bigint NOT NULL,
        first_position bigint NOT NULL,
        count bigint NOT NULL,
        newest $time NOT NULL,
        seal $text NOT NULL,
        signature $bytes NOT NULL,
        lowest_id $uuid NOT NULL,
        highest_id $uuid NOT NULL,
        listed $bytes,
        CONSTRAINT journal_segments_number PRIMARY KEY (chain, number)
    )",
    "CREATE INDEX journal_segments_kept ON journal_segments (chain, number) WHERE listed IS NOT NULL",
    "CREATE TABLE audit_policies (
        tenant_id $uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
        retention_days integer,
        legal_hold boolean NOT NULL
    )",
    // A group consists of a few actions, each of which has an index; target kinds had none.
    "DROP INDEX journal_tenant_group",
    "CREATE INDEX journal_tenant_target_type ON journal (tenant_id, target_type, id) WHERE target_type IS NOT NULL",
];

/// Entries from before sealing existed are sealed too.
const WAITING: &str =
    "INSERT INTO journal_unsealed (chain, event_id) SELECT coalesce(tenant_id, {nobody}), id FROM journal";

/// Rows of this table live for a minute, so vacuum must run often.
const ON_POSTGRES: &[&str] = &["ALTER TABLE journal_unsealed SET
    (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)"];

const POLICIES: &[&str] = &[
    "CREATE POLICY removed ON journal FOR DELETE USING (is_system())",
    "CREATE POLICY sealed ON journal_unsealed USING (is_system())",
    "CREATE POLICY appended ON journal_unsealed FOR INSERT WITH CHECK
        (chain = cur_tenant() OR (chain = '00000000-0000-0000-0000-000000000000' AND cur_person() IS NOT NULL))",
    "CREATE POLICY visible ON journal_segments FOR SELECT USING (is_system() OR chain = cur_tenant())",
    "CREATE POLICY sealed ON journal_segments FOR INSERT WITH CHECK (is_system())",
    "CREATE POLICY removed ON journal_segments FOR UPDATE USING (is_system())",
    "CREATE POLICY scoped ON audit_policies USING (is_system() OR tenant_id = cur_tenant())",
];
