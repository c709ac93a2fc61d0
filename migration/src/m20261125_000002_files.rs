//! Records of files, and the storage that each tenant uses.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await?;
        crate::isolate_tenants(manager, &["files", "storage_usage"], POLICIES).await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE files (
        tenant_id $uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        id $uuid NOT NULL,
        name $text NOT NULL,
        name_key $text NOT NULL,
        content_type $text NOT NULL,
        bytes bigint NOT NULL CHECK (bytes > 0),
        sha256 $bytes NOT NULL,
        uploaded_by $uuid NOT NULL REFERENCES users (id),
        created_at $time NOT NULL,
        PRIMARY KEY (tenant_id, id)
    )",
    "CREATE INDEX files_name ON files (tenant_id, name_key, id)",
    "CREATE INDEX files_size ON files (tenant_id, bytes, id)",
    "CREATE INDEX files_time ON files (tenant_id, created_at, id)",
    // A separate row per tenant, so that uploads wait only for each other.
    "CREATE TABLE storage_usage (
        tenant_id $uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
        bytes bigint NOT NULL CHECK (bytes >= 0)
    )",
];

const POLICIES: &[&str] = &[
    "CREATE POLICY scoped ON files USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY scoped ON storage_usage USING (is_system() OR tenant_id = cur_tenant())",
];
