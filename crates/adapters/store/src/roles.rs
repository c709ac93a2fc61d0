//! Roles: rows and queries only.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, entity::prelude::Expr};
use tenantry_kernel::{
    DefaultRole, Page, PageRequest, Permission, PermissionSet, RoleId, StoreError, TenantId, Timestamp, Vocabulary,
};
use tenantry_tenancy::{Description, Role, RoleName, Roles, TenancyError};

use crate::{
    Unit,
    failure::UniqueKey,
    pages::keyset,
    table::{PersonalColumn, Table},
    unit::{TenantTable, next_version},
};

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "roles")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub name_key: String,
        pub description: String,
        pub permissions: String,
        pub system: Option<String>,
        pub version: i64,
        pub created_at: ChronoDateTimeUtc,
        pub updated_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) const TABLE: Table = Table {
    name: "roles",
    of_tenant: Some("tenant_id = $1"),
    of_person: Some("(tenant_id, id) IN (SELECT tenant_id, role_id FROM membership_roles WHERE user_id = $1)"),
    expires: &[],
    personal: &[
        PersonalColumn::stays("name", "the name of a role"),
        PersonalColumn::stays("name_key", "the name of a role"),
    ],
};

impl TenantTable for row::Entity {
    const TENANT: row::Column = row::Column::TenantId;
}

const NAME: UniqueKey = UniqueKey { name: "roles_tenant_name", columns: "roles.tenant_id, roles.name_key" };

impl row::Model {
    fn new(role: &Role, vocabulary: &Vocabulary) -> Self {
        let mut permissions = Vec::new();
        if role.system.is_none() {
            permissions = vocabulary.names(&role.permissions);
            permissions.extend(vocabulary.names(&role.undeclared));
        }
        Self {
            tenant_id: role.tenant.uuid(),
            id: role.id.uuid(),
            name: role.name.to_string(),
            name_key: role.name.key(),
            description: role.description.as_str().to_owned(),
            permissions: permissions.join(" "),
            system: role.system.map(|system| system.name().to_owned()),
            version: role.version,
            created_at: role.created_at.utc(),
            updated_at: role.updated_at.utc(),
        }
    }

    pub(crate) fn into_role(self, vocabulary: &Vocabulary) -> Result<Role, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "roles", column };
        let (permissions, undeclared) = permissions_of(&self.permissions, self.system.as_deref(), vocabulary);
        Ok(Role {
            id: RoleId::from_uuid(self.id),
            tenant: TenantId::from_uuid(self.tenant_id),
            name: RoleName::from_stored(&self.name).map_err(|_| inconsistent("name"))?,
            description: Description::parse(&self.description).map_err(|_| inconsistent("description"))?,
            permissions,
            undeclared,
            // Any default role cannot be changed.
            system: self.system.as_deref().map(|name| DefaultRole::from_name(name).unwrap_or(DefaultRole::Viewer)),
            version: self.version,
            created_at: Timestamp::new(self.created_at),
            updated_at: Timestamp::new(self.updated_at),
        })
    }
}

/// Returns the permissions that a role grants, and the stored names that no crate declares. The vocabulary defines the
/// permissions of default roles, the row those of every other role. A default role that only a newer program knows
/// grants nothing here, and its name counts as a permission that no crate declares, so that only an owner assigns it.
pub(crate) fn permissions_of(
    stored: &str,
    system: Option<&str>,
    vocabulary: &Vocabulary,
) -> (PermissionSet, PermissionSet) {
    let Some(system) = system else { return vocabulary.divide(stored.split_whitespace()) };
    match DefaultRole::from_name(system) {
        Some(role) => (vocabulary.default_permissions(role).clone(), PermissionSet::EMPTY),
        None => (PermissionSet::EMPTY, [Permission::from_stored(system)].into_iter().collect()),
    }
}

#[async_trait]
impl Roles for Unit {
    fn vocabulary(&self) -> &Vocabulary {
        Unit::vocabulary(self)
    }

    async fn insert_role(&mut self, role: &Role) -> Result<(), TenancyError> {
        self.require_tenant(role.tenant)?;
        self.insert(row::Model::new(role, self.vocabulary())).await?.map_err(name_taken_or)
    }

    async fn role_by_id(&mut self, id: RoleId) -> Result<Option<Role>, StoreError> {
        let select = self.tenant_rows::<row::Entity>()?.filter(row::Column::Id.eq(id.uuid()));
        self.one(select).await?.map(|row| row.into_role(self.vocabulary())).transpose()
    }

    async fn roles_by_ids(&mut self, ids: &[RoleId]) -> Result<Vec<Role>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let among = self.is_among(row::Column::Id, ids.iter().map(|id| id.uuid()));
        let select = self.tenant_rows::<row::Entity>()?.filter(among);
        self.all(select).await?.into_iter().map(|row| row.into_role(self.vocabulary())).collect()
    }

    async fn default_role(&mut self, tenant: TenantId, role: DefaultRole) -> Result<Option<Role>, StoreError> {
        let select = self
            .tenant_rows::<row::Entity>()?
            .filter(row::Column::TenantId.eq(tenant.uuid()))
            .filter(row::Column::System.eq(role.name()));
        self.one(select).await?.map(|row| row.into_role(self.vocabulary())).transpose()
    }

    async fn role_by_name(&mut self, tenant: TenantId, name: &RoleName) -> Result<Option<Role>, StoreError> {
        let select = self
            .tenant_rows::<row::Entity>()?
            .filter(row::Column::TenantId.eq(tenant.uuid()))
            .filter(row::Column::NameKey.eq(name.key()));
        self.one(select).await?.map(|row| row.into_role(self.vocabulary())).transpose()
    }

    async fn page_roles(&mut self, page: PageRequest<RoleId>) -> Result<Page<Role, RoleId>, StoreError> {
        let after = page.after.map(|after| [after.uuid().into()]);
        let select = keyset(self.tenant_rows::<row::Entity>()?, [row::Column::Id], page.direction, after);
        let rows = self.page_of(select, page.limit).await?;
        let roles: Result<Vec<Role>, _> = rows.into_iter().map(|row| row.into_role(self.vocabulary())).collect();
        Ok(Page::from_lookahead(roles?, page.limit, |role| role.id))
    }

    async fn count_holders(&mut self, ids: &[RoleId]) -> Result<Vec<(RoleId, u64)>, StoreError> {
        use crate::memberships::role_assignment;
        let select = self
            .tenant_rows::<role_assignment::Entity>()?
            .select_only()
            .column(role_assignment::Column::RoleId)
            .column_as(role_assignment::Column::UserId.count(), "holders")
            .filter(self.is_among(role_assignment::Column::RoleId, ids.iter().map(|id| id.uuid())))
            .group_by(role_assignment::Column::RoleId)
            .into_tuple::<(uuid::Uuid, i64)>();
        let counts = self.run(select.all(&self.transaction)).await?;
        Ok(counts.into_iter().map(|(id, n)| (RoleId::from_uuid(id), u64::try_from(n).unwrap_or(0))).collect())
    }

    async fn update_role(&mut self, role: &Role) -> Result<(), TenancyError> {
        self.require_tenant(role.tenant)?;
        let row = row::Model::new(role, self.vocabulary());
        let update = row::Entity::update_many()
            .col_expr(row::Column::Name, Expr::value(row.name))
            .col_expr(row::Column::NameKey, Expr::value(row.name_key))
            .col_expr(row::Column::Description, Expr::value(row.description))
            .col_expr(row::Column::Permissions, Expr::value(row.permissions))
            .col_expr(row::Column::UpdatedAt, Expr::value(row.updated_at))
            .col_expr(row::Column::Version, next_version(row::Column::Version))
            .filter(row::Column::TenantId.eq(row.tenant_id))
            .filter(row::Column::Id.eq(row.id))
            .filter(row::Column::Version.eq(row.version));
        match self.try_run(update.exec(&self.transaction)).await? {
            Ok(done) if done.rows_affected == 1 => Ok(()),
            Ok(_) => Err(TenancyError::VersionConflict),
            Err(failure) => Err(name_taken_or(failure)),
        }
    }

    async fn delete_role(&mut self, id: RoleId) -> Result<(), StoreError> {
        let delete =
            row::Entity::delete_many().filter(self.of_tenant::<row::Entity>()?).filter(row::Column::Id.eq(id.uuid()));
        let done = self.run(delete.exec(&self.transaction)).await?;
        crate::unit::hit_one(done.rows_affected, "roles")
    }
}

fn name_taken_or(failure: crate::failure::StatementError) -> TenancyError {
    if failure.violates(&NAME) { TenancyError::RoleNameTaken } else { TenancyError::Store(failure.into()) }
}
