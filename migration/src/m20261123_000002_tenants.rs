//! Tenants, their roles and role assignments. Keys start with the tenant, so that no row can refer to another tenant's
//! row.

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
    "CREATE TABLE tenants (
        id $uuid PRIMARY KEY,
        name $text NOT NULL,
        slug $text NOT NULL,
        plan $text NOT NULL,
        status $text NOT NULL CHECK (status IN ('active', 'suspended')),
        version bigint NOT NULL,
        created_at $time NOT NULL,
        CONSTRAINT tenants_slug UNIQUE (slug)
    )",
    "CREATE TABLE roles (
        tenant_id $uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        id $uuid NOT NULL,
        name $text NOT NULL,
        name_key $text NOT NULL,
        description $text NOT NULL,
        permissions $text NOT NULL,
        system $text CHECK (system IN ('owner', 'admin', 'member', 'viewer')),
        version bigint NOT NULL,
        created_at $time NOT NULL,
        updated_at $time NOT NULL,
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT roles_tenant_name UNIQUE (tenant_id, name_key)
    )",
    "CREATE UNIQUE INDEX roles_tenant_system ON roles (tenant_id, system) WHERE system IS NOT NULL",
    "CREATE TABLE memberships (
        tenant_id $uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        user_id $uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        status $text NOT NULL CHECK (status IN ('active', 'deactivated')),
        version bigint NOT NULL,
        joined_at $time NOT NULL,
        last_seen_at $time,
        name_key $text NOT NULL,
        email_key $text NOT NULL,
        PRIMARY KEY (tenant_id, user_id)
    )",
    "CREATE INDEX memberships_tenant_name ON memberships (tenant_id, name_key, user_id)",
    "CREATE INDEX memberships_tenant_email ON memberships (tenant_id, email_key)",
    "CREATE INDEX memberships_tenant_joined ON memberships (tenant_id, joined_at, user_id)",
    "CREATE INDEX memberships_user ON memberships (user_id)",
    "CREATE TABLE membership_roles (
        tenant_id $uuid NOT NULL,
        user_id $uuid NOT NULL,
        role_id $uuid NOT NULL,
        PRIMARY KEY (tenant_id, user_id, role_id),
        FOREIGN KEY (tenant_id, user_id) REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE,
        FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id)
    )",
    "CREATE INDEX membership_roles_role ON membership_roles (tenant_id, role_id)",
];
