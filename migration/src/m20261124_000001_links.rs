//! Mailed links, registrations and invitations. Tokens are stored as hashes only.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await?;
        crate::isolate_tenants(manager, &["links", "registrations", "invitations", "invitation_roles"], POLICIES).await
    }
}

const UP: &[&str] = &[
    // One link per user and kind: a newer link replaces the older one.
    "CREATE TABLE links (
        user_id $uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        kind $text NOT NULL CHECK (kind IN ('verify', 'reset', 'change_email')),
        email $text NOT NULL,
        session_id $uuid,
        token_hash $bytes NOT NULL,
        created_at $time NOT NULL,
        expires_at $time NOT NULL,
        PRIMARY KEY (user_id, kind),
        CONSTRAINT links_token UNIQUE (token_hash)
    )",
    "CREATE TABLE registrations (
        id $uuid PRIMARY KEY,
        email $text NOT NULL,
        name $text NOT NULL,
        hash $text NOT NULL,
        tenant_name $text NOT NULL,
        tenant_slug $text,
        token_hash $bytes,
        created_at $time NOT NULL,
        expires_at $time NOT NULL,
        CONSTRAINT registrations_token UNIQUE (token_hash)
    )",
    "CREATE INDEX registrations_email ON registrations (email, id)",
    "CREATE TABLE invitations (
        tenant_id $uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        id $uuid NOT NULL,
        email $text NOT NULL,
        state $text NOT NULL CHECK (state IN ('open', 'accepted', 'revoked')),
        invited_by $uuid NOT NULL REFERENCES users (id),
        token_hash $bytes,
        expires_at $time NOT NULL,
        created_at $time NOT NULL,
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT invitations_token UNIQUE (token_hash)
    )",
    "CREATE UNIQUE INDEX invitations_open ON invitations (tenant_id, email) WHERE state = 'open'",
    "CREATE TABLE invitation_roles (
        tenant_id $uuid NOT NULL,
        invitation_id $uuid NOT NULL,
        role_id $uuid NOT NULL,
        PRIMARY KEY (tenant_id, invitation_id, role_id),
        FOREIGN KEY (tenant_id, invitation_id) REFERENCES invitations (tenant_id, id) ON DELETE CASCADE,
        FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id) ON DELETE CASCADE
    )",
    "CREATE INDEX invitation_roles_role ON invitation_roles (tenant_id, role_id)",
];

const POLICIES: &[&str] = &[
    "CREATE POLICY own ON links USING (is_system() OR user_id = cur_person())",
    "CREATE POLICY waiting ON registrations USING (is_system())",
    "CREATE POLICY scoped ON invitations USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY scoped ON invitation_roles USING (is_system() OR tenant_id = cur_tenant())",
];
