//! Memberships and their role assignments: rows and queries only.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, Insert, IntoActiveModel, QueryFilter,
    QueryResult, QuerySelect, Select, Value,
    entity::prelude::Expr,
    sea_query::{ExprTrait, LockType, OnConflict, Query},
};
use tenantry_kernel::{
    DefaultRole, EmailAddress, Page, PageRequest, RoleId, StoreError, TenantId, Timestamp, UserId, upper_bound,
};
use tenantry_tenancy::{
    MemberFilter, MemberKey, MemberKeys, MemberOrder, Membership, MembershipStatus, Memberships, Role, RoleAssignment,
    TenancyError, Tenant,
};

use crate::{
    Unit,
    failure::StatementError,
    pages::keyset,
    people, roles,
    table::{ColumnErasure, PersonalColumn, Table},
    tenants,
    unit::{TenantTable, hit_one, next_version, state},
};

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "memberships")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: Uuid,
        pub status: String,
        pub version: i64,
        pub joined_at: ChronoDateTimeUtc,
        pub last_seen_at: Option<ChronoDateTimeUtc>,
        pub name_key: String,
        pub email_key: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod role_assignment {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "membership_roles")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub role_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::Column;

pub(crate) const TABLE: Table = Table {
    name: "memberships",
    of_tenant: Some("tenant_id = $1"),
    of_person: Some("user_id = $1"),
    expires: &[],
    personal: &[
        PersonalColumn::new("user_id", ColumnErasure::DeleteById),
        PersonalColumn::new("name_key", ColumnErasure::WithRow),
        PersonalColumn::new("email_key", ColumnErasure::WithRow),
    ],
};

pub(crate) const ROLES_TABLE: Table = Table {
    name: "membership_roles",
    of_tenant: Some("tenant_id = $1"),
    of_person: Some("user_id = $1"),
    expires: &[],
    personal: &[PersonalColumn::new("user_id", ColumnErasure::WithRow)],
};

/// Selects memberships of the user `$1` with their tenants.
const TENANTS_OF: &str = "\
    SELECT m.tenant_id AS m_tenant_id, m.user_id AS m_user_id, m.status AS m_status, m.version AS m_version, \
           m.joined_at AS m_joined_at, m.last_seen_at AS m_last_seen_at, m.name_key AS m_name_key, \
           m.email_key AS m_email_key, \
           t.id AS t_id, t.name AS t_name, t.slug AS t_slug, t.plan AS t_plan, t.status AS t_status, \
           t.version AS t_version, t.created_at AS t_created_at \
    FROM memberships m JOIN tenants t ON t.id = m.tenant_id \
    WHERE m.user_id = $1 ORDER BY t.name, t.id";

/// Selects roles with the user who holds each.
const ROLES_HELD: &str = "\
    SELECT h.user_id AS holder, r.tenant_id, r.id, r.name, r.name_key, r.description, r.permissions, r.system, \
           r.version, r.created_at, r.updated_at \
    FROM membership_roles h JOIN roles r ON r.tenant_id = h.tenant_id AND r.id = h.role_id";

impl TenantTable for row::Entity {
    const TENANT: Column = Column::TenantId;
}

impl TenantTable for role_assignment::Entity {
    const TENANT: role_assignment::Column = role_assignment::Column::TenantId;
}

impl TryFrom<row::Model> for Membership {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: TenantId::from_uuid(row.tenant_id),
            user: UserId::from_uuid(row.user_id),
            status: MembershipStatus::from_stored(&row.status),
            version: row.version,
            joined_at: Timestamp::new(row.joined_at),
            last_seen_at: row.last_seen_at.map(Timestamp::new),
        })
    }
}

#[async_trait]
impl Memberships for Unit {
    async fn insert_membership(&mut self, membership: &Membership, keys: &MemberKeys) -> Result<(), TenancyError> {
        self.require_tenant(membership.tenant)?;
        let row = row::Model {
            tenant_id: membership.tenant.uuid(),
            user_id: membership.user.uuid(),
            status: membership.status.name().to_owned(),
            version: membership.version,
            joined_at: membership.joined_at.utc(),
            last_seen_at: membership.last_seen_at.map(Timestamp::utc),
            name_key: keys.name.clone(),
            email_key: keys.email.clone(),
        };
        let unless_there = OnConflict::columns([Column::TenantId, Column::UserId]).do_nothing().to_owned();
        let insert = Insert::one(row.into_active_model()).on_conflict(unless_there);
        match self.run(insert.exec_without_returning(&self.transaction)).await? {
            1 => Ok(()),
            _ => Err(TenancyError::AlreadyMember),
        }
    }

    async fn membership_of(&mut self, user: UserId) -> Result<Option<Membership>, StoreError> {
        let select = self.tenant_rows::<row::Entity>()?.filter(Column::UserId.eq(user.uuid()));
        self.one(select).await?.map(Membership::try_from).transpose()
    }

    async fn membership_in(&mut self, tenant: TenantId, user: UserId) -> Result<Option<Membership>, StoreError> {
        self.require_system()?;
        self.one(row::Entity::find_by_id((tenant.uuid(), user.uuid()))).await?.map(Membership::try_from).transpose()
    }

    async fn is_member_address(&mut self, tenant: TenantId, email: &EmailAddress) -> Result<bool, StoreError> {
        let person = Query::select()
            .column(people::row::Column::Id)
            .from(people::row::Entity)
            .and_where(people::row::Column::Email.eq(email.as_str()))
            .to_owned();
        let select = self
            .tenant_rows::<row::Entity>()?
            .filter(Column::TenantId.eq(tenant.uuid()))
            .filter(Column::UserId.in_subquery(person));
        Ok(self.one(select).await?.is_some())
    }

    async fn lock_membership(&mut self, tenant: TenantId, user: UserId) -> Result<Option<Membership>, StoreError> {
        self.require_system()?;
        let select = row::Entity::find_by_id((tenant.uuid(), user.uuid()));
        let select = if self.is_postgres() { select.lock(LockType::NoKeyUpdate) } else { select };
        self.one(select).await?.map(Membership::try_from).transpose()
    }

    async fn tenants_of(&mut self, user: UserId) -> Result<Vec<(Membership, Tenant)>, StoreError> {
        if self.scope.tenant().is_some() || !self.is_own(user) {
            return Err(StoreError::Misuse("a unit can read only the tenants of its own person, outside any tenant"));
        }
        let statement = self.sql(TENANTS_OF, [user.uuid().into()]);
        let mut pairs = Vec::new();
        for row in self.run(self.transaction.query_all_raw(statement)).await? {
            let membership = row::Model::from_query_result(&row, "m_").map_err(StatementError::from)?;
            let tenant = tenants::row::Model::from_query_result(&row, "t_").map_err(StatementError::from)?;
            pairs.push((Membership::try_from(membership)?, Tenant::try_from(tenant)?));
        }
        Ok(pairs)
    }

    async fn page_memberships(
        &mut self,
        filter: &MemberFilter,
        order: MemberOrder,
        page: PageRequest<MemberKey>,
    ) -> Result<Page<(Membership, MemberKey), MemberKey>, StoreError> {
        let select = filtered(self.tenant_rows::<row::Entity>()?, filter);
        let rows = self.page_of(sorted(select, order, &page), page.limit).await?.into_iter().map(|row| {
            let user = UserId::from_uuid(row.user_id);
            let key = match order {
                MemberOrder::Name => MemberKey::Name(row.name_key.clone(), user),
                MemberOrder::JoinedAt => MemberKey::JoinedAt(Timestamp::new(row.joined_at), user),
            };
            Ok((Membership::try_from(row)?, key))
        });
        let rows: Result<Vec<_>, StoreError> = rows.collect();
        Ok(Page::from_lookahead(rows?, page.limit, |(_, key)| key.clone()))
    }

    async fn roles_of(&mut self, users: &[UserId]) -> Result<Vec<RoleAssignment>, StoreError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let among = self.among("$1");
        let mut values = vec![self.id_list(users.iter().map(|user| user.uuid()))];
        let mut of_tenant = "";
        if !self.scope.is_system() {
            of_tenant = " AND h.tenant_id = $2";
            values.push(self.tenant()?.uuid().into());
        }
        let sql = format!("{ROLES_HELD} WHERE h.user_id {among}{of_tenant} ORDER BY r.name_key");
        self.role_assignments(&sql, values).await
    }

    async fn roles_held_by(&mut self, user: UserId) -> Result<Vec<Role>, StoreError> {
        if self.scope.tenant().is_some() || !self.is_own(user) {
            return Err(StoreError::Misuse("a unit can read only the roles of its own person, outside any tenant"));
        }
        let sql = format!("{ROLES_HELD} WHERE h.user_id = $1 ORDER BY r.name_key");
        let held = self.role_assignments(&sql, [user.uuid().into()]).await?;
        Ok(held.into_iter().map(|assignment| assignment.role).collect())
    }

    async fn replace_roles(&mut self, tenant: TenantId, user: UserId, roles: &[RoleId]) -> Result<(), StoreError> {
        self.require_tenant(tenant)?;
        let delete = role_assignment::Entity::delete_many()
            .filter(role_assignment::Column::TenantId.eq(tenant.uuid()))
            .filter(role_assignment::Column::UserId.eq(user.uuid()));
        self.run(delete.exec(&self.transaction)).await?;
        self.role_assignment_changes.push(tenant);
        if roles.is_empty() {
            return Ok(());
        }
        let rows = roles.iter().map(|role| {
            role_assignment::Model { tenant_id: tenant.uuid(), user_id: user.uuid(), role_id: role.uuid() }
                .into_active_model()
        });
        let insert = Insert::many(rows);
        self.run(insert.exec_without_returning(&self.transaction)).await?;
        Ok(())
    }

    async fn update_membership(&mut self, membership: &Membership) -> Result<(), StoreError> {
        self.require_tenant(membership.tenant)?;
        let (status, known) = (membership.status.name(), MembershipStatus::ALL.map(MembershipStatus::name));
        let status = state(Column::Status, status, MembershipStatus::Deactivated.name(), known);
        let update = row::Entity::update_many()
            .col_expr(Column::Status, status)
            .col_expr(Column::Version, next_version(Column::Version))
            .filter(Column::TenantId.eq(membership.tenant.uuid()))
            .filter(Column::UserId.eq(membership.user.uuid()));
        let done = self.run(update.exec(&self.transaction)).await?;
        hit_one(done.rows_affected, "memberships")
    }

    async fn delete_membership(&mut self, user: UserId) -> Result<(), StoreError> {
        let tenant = self.tenant()?;
        self.role_assignment_changes.push(tenant);
        let delete = row::Entity::delete_many()
            .filter(Column::TenantId.eq(tenant.uuid()))
            .filter(Column::UserId.eq(user.uuid()));
        let done = self.run(delete.exec(&self.transaction)).await?;
        hit_one(done.rows_affected, "memberships")
    }

    async fn active_owners(&mut self, tenant: TenantId) -> Result<Vec<UserId>, StoreError> {
        let owner_role = Query::select()
            .column(roles::row::Column::Id)
            .from(roles::row::Entity)
            .and_where(roles::row::Column::TenantId.eq(tenant.uuid()))
            .and_where(roles::row::Column::System.eq(DefaultRole::Owner.name()))
            .to_owned();
        let holders = Query::select()
            .column(role_assignment::Column::UserId)
            .from(role_assignment::Entity)
            .and_where(role_assignment::Column::TenantId.eq(tenant.uuid()))
            .and_where(role_assignment::Column::RoleId.in_subquery(owner_role))
            .to_owned();
        let enabled = Query::select()
            .column(people::row::Column::Id)
            .from(people::row::Entity)
            .and_where(people::row::Column::Status.eq("enabled"))
            .to_owned();
        let select = self
            .tenant_rows::<row::Entity>()?
            .filter(Column::TenantId.eq(tenant.uuid()))
            .filter(Column::Status.eq(MembershipStatus::Active.name()))
            .filter(Column::UserId.in_subquery(holders))
            .filter(Column::UserId.in_subquery(enabled));
        Ok(self.all(select).await?.into_iter().map(|row| UserId::from_uuid(row.user_id)).collect())
    }
}

impl Unit {
    async fn role_assignments(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<RoleAssignment>, StoreError> {
        let rows = self.run(self.transaction.query_all_raw(self.sql(sql, values))).await?;
        let assignment = |row: &QueryResult| -> Result<RoleAssignment, StoreError> {
            let user = UserId::from_uuid(row.try_get("", "holder").map_err(StatementError::from)?);
            let role = roles::row::Model::from_query_result(row, "").map_err(StatementError::from)?;
            Ok(RoleAssignment { user, role: role.into_role(self.vocabulary())? })
        };
        rows.iter().map(assignment).collect()
    }
}

fn filtered(select: Select<row::Entity>, filter: &MemberFilter) -> Select<row::Entity> {
    let mut select = select;
    if let Some(prefix) = &filter.prefix {
        let starts_with = |column: Column| match upper_bound(prefix) {
            Some(bound) => Condition::all().add(column.gte(prefix.as_str())).add(column.lt(bound)),
            None => Condition::all().add(column.gte(prefix.as_str())),
        };
        select = select.filter(Condition::any().add(starts_with(Column::NameKey)).add(starts_with(Column::EmailKey)));
    }
    if let Some(status) = filter.status {
        select = select.filter(Column::Status.eq(status.name()));
    }
    if let Some(role) = filter.role {
        // By the whole key: a subquery for the holders would be repeated for each member.
        let assignment = Query::select()
            .expr(Expr::cust("1"))
            .from(role_assignment::Entity)
            .and_where(
                Expr::col((role_assignment::Entity, role_assignment::Column::TenantId))
                    .equals((row::Entity, Column::TenantId)),
            )
            .and_where(
                Expr::col((role_assignment::Entity, role_assignment::Column::UserId))
                    .equals((row::Entity, Column::UserId)),
            )
            .and_where(role_assignment::Column::RoleId.eq(role.uuid()))
            .to_owned();
        select = select.filter(Expr::exists(assignment));
    }
    select
}

fn sorted(select: Select<row::Entity>, order: MemberOrder, page: &PageRequest<MemberKey>) -> Select<row::Entity> {
    let column = match order {
        MemberOrder::Name => Column::NameKey,
        MemberOrder::JoinedAt => Column::JoinedAt,
    };
    let after = page.after.as_ref().map(|key| match key {
        MemberKey::Name(name, user) => [name.as_str().into(), user.uuid().into()],
        MemberKey::JoinedAt(at, user) => [at.utc().into(), user.uuid().into()],
    });
    keyset(select, [column, Column::UserId], page.direction, after)
}
