//! Row-level security on PostgreSQL: a unit sees only what its scope allows, even when a query has no filter.
//!
//! A unit sets `app.tenant`, `app.person` and `app.system` for its transaction. Unset, or left empty by an earlier
//! transaction of the connection, they allow nothing.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run_on_postgres(manager, FUNCTIONS).await?;
        for table in TABLES {
            let enable = format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY");
            let force = format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY");
            crate::run_on_postgres(manager, &[enable.as_str(), force.as_str()]).await?;
        }
        crate::run_on_postgres(manager, POLICIES).await
    }
}

const FUNCTIONS: &[&str] = &[
    "CREATE FUNCTION cur_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
        AS $$ SELECT nullif(current_setting('app.tenant', true), '')::uuid $$",
    "CREATE FUNCTION cur_person() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
        AS $$ SELECT nullif(current_setting('app.person', true), '')::uuid $$",
    "CREATE FUNCTION is_system() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
        AS $$ SELECT coalesce(current_setting('app.system', true), '') = 'on' $$",
];

const TABLES: &[&str] = &[
    "users",
    "credentials",
    "tenants",
    "roles",
    "memberships",
    "membership_roles",
    "sessions",
    "journal",
    "journal_parts",
    "attempts",
    "known_sources",
    "authority_changes",
];

// The policy on memberships refers to no other table: other policies refer to memberships, and policies must not be
// recursive.
const POLICIES: &[&str] = &[
    "CREATE POLICY scoped ON tenants USING (is_system() OR id = cur_tenant())",
    "CREATE POLICY own ON tenants FOR SELECT USING (cur_tenant() IS NULL AND EXISTS
        (SELECT 1 FROM memberships m WHERE m.tenant_id = tenants.id AND m.user_id = cur_person()))",
    "CREATE POLICY scoped ON roles USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY own ON roles FOR SELECT USING (cur_tenant() IS NULL AND EXISTS
        (SELECT 1 FROM membership_roles h
         WHERE h.tenant_id = roles.tenant_id AND h.role_id = roles.id AND h.user_id = cur_person()))",
    "CREATE POLICY scoped ON memberships USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY own ON memberships FOR SELECT USING (cur_tenant() IS NULL AND user_id = cur_person())",
    "CREATE POLICY scoped ON membership_roles USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY own ON membership_roles FOR SELECT USING (cur_tenant() IS NULL AND user_id = cur_person())",
    "CREATE POLICY visible ON users FOR SELECT USING (is_system() OR id = cur_person() OR EXISTS
        (SELECT 1 FROM memberships m WHERE m.user_id = users.id AND m.tenant_id = cur_tenant()))",
    "CREATE POLICY added ON users FOR INSERT WITH CHECK (is_system())",
    "CREATE POLICY changed ON users FOR UPDATE USING (is_system() OR id = cur_person())",
    "CREATE POLICY removed ON users FOR DELETE USING (is_system())",
    "CREATE POLICY own ON credentials USING (is_system() OR user_id = cur_person())",
    "CREATE POLICY scoped ON sessions
        USING (is_system() OR user_id = cur_person() OR tenant_id = cur_tenant())",
    "CREATE POLICY visible ON journal FOR SELECT USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY appended ON journal FOR INSERT WITH CHECK
        (is_system() OR tenant_id = cur_tenant() OR (tenant_id IS NULL AND actor_id = cur_person()))",
    "CREATE POLICY visible ON journal_parts FOR SELECT USING (is_system() OR tenant_id = cur_tenant())",
    "CREATE POLICY appended ON journal_parts FOR INSERT WITH CHECK
        (is_system() OR tenant_id = cur_tenant() OR (tenant_id IS NULL AND actor_id = cur_person()))",
    "CREATE POLICY erased ON journal_parts FOR DELETE USING (is_system())",
    "CREATE POLICY counted ON attempts USING (is_system())",
    "CREATE POLICY counted ON known_sources USING (is_system())",
    "CREATE POLICY announced ON authority_changes FOR INSERT WITH CHECK (true)",
    "CREATE POLICY read ON authority_changes FOR SELECT USING (is_system())",
    "CREATE POLICY pruned ON authority_changes FOR DELETE USING (is_system())",
];
