//! Reads the authority of sessions, and records changes to it.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, FromQueryResult, prelude::ChronoDateTimeUtc};
use tenantry_kernel::{
    Assurance, Authorities, Authority, EmailAddress, HeldRole, PermissionSet, Principal, RoleId, SessionId,
    SessionPrincipal, SignInId, StoreError, TenantAuthority, TenantId, TenantStatus, Timestamp, UserId, Vocabulary,
};
use uuid::Uuid;

use crate::{Scope, Unit, roles::permissions_of};

/// The sessions whose authority changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityChange {
    /// One session.
    Session(SessionId),
    /// Every session of a user.
    User(UserId),
    /// Every session in a tenant.
    Tenant(TenantId),
}

#[derive(FromQueryResult)]
struct AuthorityRow {
    session_id: Uuid,
    sign_in_id: Uuid,
    session_created_at: ChronoDateTimeUtc,
    expires_at: ChronoDateTimeUtc,
    seen_rotation: i64,
    user_id: Uuid,
    email: String,
    email_verified_at: Option<ChronoDateTimeUtc>,
    user_name: String,
    user_created_at: ChronoDateTimeUtc,
    user_version: i64,
    tenant_id: Option<Uuid>,
    tenant_name: Option<String>,
    slug: Option<String>,
    plan: Option<String>,
    tenant_status: Option<String>,
    tenant_created_at: Option<ChronoDateTimeUtc>,
    role_id: Option<Uuid>,
    role_name: Option<String>,
    permissions: Option<String>,
    system: Option<String>,
}

const AUTHORITY: &str = "\
    SELECT s.id AS session_id, s.sign_in_id, s.created_at AS session_created_at, s.expires_at, s.seen_rotation, \
           u.id AS user_id, u.email, u.email_verified_at, u.name AS user_name, u.created_at AS user_created_at, \
           u.version AS user_version, \
           t.id AS tenant_id, t.name AS tenant_name, t.slug, t.plan, t.status AS tenant_status, \
           t.created_at AS tenant_created_at, \
           r.id AS role_id, r.name AS role_name, r.permissions, r.system \
    FROM sessions s \
    JOIN users u ON u.id = s.user_id \
    LEFT JOIN memberships m ON m.tenant_id = s.tenant_id AND m.user_id = s.user_id \
    LEFT JOIN tenants t ON t.id = m.tenant_id \
    LEFT JOIN membership_roles h ON h.tenant_id = m.tenant_id AND h.user_id = m.user_id \
    LEFT JOIN roles r ON r.tenant_id = h.tenant_id AND r.id = h.role_id \
    WHERE s.id = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND u.status = 'enabled' \
      AND (s.tenant_id IS NULL OR m.status = 'active') \
    ORDER BY r.name_key";

#[derive(FromQueryResult)]
struct MemberRow {
    tenant_id: Uuid,
    tenant_name: String,
    slug: String,
    plan: String,
    tenant_status: String,
    tenant_created_at: ChronoDateTimeUtc,
    role_id: Option<Uuid>,
    role_name: Option<String>,
    permissions: Option<String>,
    system: Option<String>,
}

const MEMBER: &str = "\
    SELECT t.id AS tenant_id, t.name AS tenant_name, t.slug, t.plan, t.status AS tenant_status, \
           t.created_at AS tenant_created_at, \
           r.id AS role_id, r.name AS role_name, r.permissions, r.system \
    FROM memberships m \
    JOIN users u ON u.id = m.user_id \
    JOIN tenants t ON t.id = m.tenant_id \
    LEFT JOIN membership_roles h ON h.tenant_id = m.tenant_id AND h.user_id = m.user_id \
    LEFT JOIN roles r ON r.tenant_id = h.tenant_id AND r.id = h.role_id \
    WHERE m.tenant_id = $1 AND m.user_id = $2 AND m.status = 'active' AND u.status = 'enabled' \
    ORDER BY r.name_key";

#[async_trait]
impl Authorities for Unit {
    async fn authority_of(&mut self, session: SessionId, now: Timestamp) -> Result<Option<Authority>, StoreError> {
        let statement = self.sql(AUTHORITY, [session.uuid().into(), now.utc().into()]);
        let rows = self.run(self.transaction.query_all_raw(statement)).await?;
        let rows = rows.iter().map(|row| AuthorityRow::from_query_result(row, "")).collect::<Result<Vec<_>, _>>();
        let found = authority(rows.map_err(crate::failure::StatementError::from)?, self.vocabulary())?;
        Ok(found.filter(|authority| self.may_see(authority)))
    }

    async fn member_authority(
        &mut self,
        tenant: TenantId,
        user: UserId,
    ) -> Result<Option<TenantAuthority>, StoreError> {
        self.require_system()?;
        let statement = self.sql(MEMBER, [tenant.uuid().into(), user.uuid().into()]);
        let rows = self.run(self.transaction.query_all_raw(statement)).await?;
        let rows = rows.iter().map(|row| MemberRow::from_query_result(row, "")).collect::<Result<Vec<_>, _>>();
        Ok(member(rows.map_err(crate::failure::StatementError::from)?, self.vocabulary()))
    }

    async fn lock_tenant(&mut self, tenant: TenantId) -> Result<(), StoreError> {
        self.require_tenant(tenant)?;
        // SQLite has one writer at a time, which is this unit.
        if self.is_postgres() {
            let lock = self.sql("SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE", [tenant.uuid().into()]);
            self.run(self.transaction.query_one_raw(lock)).await?;
        }
        Ok(())
    }

    async fn session_authority_changed(&mut self, session: SessionId) -> Result<(), StoreError> {
        self.append_authority_change(AuthorityChange::Session(session)).await
    }

    async fn user_authority_changed(&mut self, user: UserId) -> Result<(), StoreError> {
        self.append_authority_change(AuthorityChange::User(user)).await
    }

    async fn tenant_authority_changed(&mut self, tenant: TenantId) -> Result<(), StoreError> {
        self.append_authority_change(AuthorityChange::Tenant(tenant)).await
    }
}

impl Unit {
    fn may_see(&self, authority: &Authority) -> bool {
        match (self.scope, authority.tenant_id()) {
            (Scope::System(_), _) => true,
            (Scope::Tenant { tenant, .. }, Some(of_session)) => of_session == tenant,
            (Scope::Tenant { person, .. }, None) | (Scope::Person(person), _) => authority.subject() == Some(person),
        }
    }

    async fn append_authority_change(&mut self, change: AuthorityChange) -> Result<(), StoreError> {
        let (session, user, tenant) = match change {
            AuthorityChange::Session(id) => (Some(id.uuid()), None, None),
            AuthorityChange::User(id) => (None, Some(id.uuid()), None),
            AuthorityChange::Tenant(id) => (None, None, Some(id.uuid())),
        };
        let now = if self.is_postgres() { "now()" } else { "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')" };
        let sql = format!(
            "INSERT INTO authority_changes (session_id, user_id, tenant_id, changed_at) VALUES ($1, $2, $3, {now})"
        );
        let statement = self.sql(&sql, [session.into(), user.into(), tenant.into()]);
        self.run(self.transaction.execute_raw(statement)).await?;
        self.publish_on_commit(change);
        Ok(())
    }
}

fn authority(rows: Vec<AuthorityRow>, vocabulary: &Vocabulary) -> Result<Option<Authority>, StoreError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let inconsistent = |table, column| StoreError::Inconsistent { table, column };
    let tenant = match first.tenant_id {
        None => None,
        Some(id) => {
            let roles = held_roles(&rows, vocabulary);
            Some(TenantAuthority {
                id: TenantId::from_uuid(id),
                name: first.tenant_name.clone().unwrap_or_default(),
                slug: first.slug.clone().unwrap_or_default(),
                plan: first.plan.clone().unwrap_or_default(),
                status: TenantStatus::from_stored(first.tenant_status.as_deref().unwrap_or_default()),
                created_at: first
                    .tenant_created_at
                    .map(Timestamp::new)
                    .ok_or_else(|| inconsistent("tenants", "created_at"))?,
                permissions: roles.iter().fold(PermissionSet::EMPTY, |set, role| set.union(&role.permissions)),
                roles,
            })
        }
    };
    let session = SessionPrincipal {
        session: SessionId::from_uuid(first.session_id),
        sign_in: SignInId::from_uuid(first.sign_in_id),
        created_at: Timestamp::new(first.session_created_at),
        expires_at: Timestamp::new(first.expires_at),
        seen_rotation: u32::try_from(first.seen_rotation).map_err(|_| inconsistent("sessions", "seen_rotation"))?,
        user: UserId::from_uuid(first.user_id),
        email: EmailAddress::from_stored(first.email.clone()).map_err(|_| inconsistent("users", "email"))?,
        name: first.user_name.clone(),
        user_created_at: Timestamp::new(first.user_created_at),
        user_version: first.user_version,
    };
    Ok(Some(Authority {
        principal: Principal::Session(session),
        assurance: Assurance { email_verified: first.email_verified_at.is_some() },
        tenant,
    }))
}

fn held_roles(rows: &[AuthorityRow], vocabulary: &Vocabulary) -> Vec<HeldRole> {
    let held = |row: &AuthorityRow| held_role(row.role_id, &row.role_name, &row.permissions, &row.system, vocabulary);
    rows.iter().filter_map(held).collect()
}

fn held_role(
    id: Option<Uuid>,
    name: &Option<String>,
    permissions: &Option<String>,
    system: &Option<String>,
    vocabulary: &Vocabulary,
) -> Option<HeldRole> {
    let (id, name, permissions) = (id?, name.as_ref()?, permissions.as_ref()?);
    let (permissions, _) = permissions_of(permissions, system.as_deref(), vocabulary);
    Some(HeldRole { id: RoleId::from_uuid(id), name: name.clone(), permissions })
}

fn member(rows: Vec<MemberRow>, vocabulary: &Vocabulary) -> Option<TenantAuthority> {
    let held = |row: &MemberRow| held_role(row.role_id, &row.role_name, &row.permissions, &row.system, vocabulary);
    let roles: Vec<HeldRole> = rows.iter().filter_map(held).collect();
    let first = rows.into_iter().next()?;
    Some(TenantAuthority {
        id: TenantId::from_uuid(first.tenant_id),
        name: first.tenant_name,
        slug: first.slug,
        plan: first.plan,
        status: TenantStatus::from_stored(&first.tenant_status),
        created_at: Timestamp::new(first.tenant_created_at),
        permissions: roles.iter().fold(PermissionSet::EMPTY, |set, role| set.union(&role.permissions)),
        roles,
    })
}
