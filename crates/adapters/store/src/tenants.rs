//! Tenants: rows and queries only.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, EntityTrait, Insert, IntoActiveModel, QueryFilter, entity::prelude::Expr, sea_query::OnConflict,
};
use tenantry_kernel::{Name, StoreError, TenantId, TenantStatus, Timestamp};
use tenantry_tenancy::{PLANS, Plan, Slug, TenancyError, Tenant, Tenants};

use crate::{
    Unit,
    failure::UniqueKey,
    table::{PersonalColumn, Table},
    unit::{TenantTable, next_version, state},
};

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tenants")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub slug: String,
        pub plan: String,
        pub status: String,
        pub version: i64,
        pub created_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) const TABLE: Table = Table {
    name: "tenants",
    of_tenant: Some("id = $1"),
    of_person: Some("id IN (SELECT tenant_id FROM memberships WHERE user_id = $1)"),
    expires: &[],
    personal: &[PersonalColumn::stays("name", "the name of a tenant")],
};

impl TenantTable for row::Entity {
    const TENANT: row::Column = row::Column::Id;
}

const SLUG: UniqueKey = UniqueKey { name: "tenants_slug", columns: "tenants.slug" };

impl From<&Tenant> for row::Model {
    fn from(tenant: &Tenant) -> Self {
        Self {
            id: tenant.id.uuid(),
            name: tenant.name.to_string(),
            slug: tenant.slug.to_string(),
            plan: tenant.plan.name.to_owned(),
            status: tenant.status.name().to_owned(),
            version: tenant.version,
            created_at: tenant.created_at.utc(),
        }
    }
}

impl TryFrom<row::Model> for Tenant {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "tenants", column };
        Ok(Self {
            id: TenantId::from_uuid(row.id),
            name: Name::from_stored(&row.name).map_err(|_| inconsistent("name"))?,
            slug: Slug::parse(&row.slug).map_err(|_| inconsistent("slug"))?,
            plan: Plan::from_stored(&row.plan),
            status: TenantStatus::from_stored(&row.status),
            version: row.version,
            created_at: Timestamp::new(row.created_at),
        })
    }
}

#[async_trait]
impl Tenants for Unit {
    async fn insert_tenant(&mut self, tenant: &Tenant) -> Result<(), TenancyError> {
        self.require_tenant(tenant.id)?;
        // On PostgreSQL a violated key would abort the whole transaction, and with it the attempt with another slug.
        let unless_taken = OnConflict::column(row::Column::Slug).do_nothing().to_owned();
        let insert = Insert::one(row::Model::from(tenant).into_active_model()).on_conflict(unless_taken);
        match self.run(insert.exec_without_returning(&self.transaction)).await? {
            1 => Ok(()),
            _ => Err(TenancyError::SlugTaken),
        }
    }

    async fn tenant_by_id(&mut self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let select = self.tenant_rows::<row::Entity>()?.filter(row::Column::Id.eq(id.uuid()));
        self.one(select).await?.map(Tenant::try_from).transpose()
    }

    async fn tenant_by_slug(&mut self, slug: &Slug) -> Result<Option<Tenant>, StoreError> {
        self.require_system()?;
        let select = self.tenant_rows::<row::Entity>()?.filter(row::Column::Slug.eq(slug.as_str()));
        self.one(select).await?.map(Tenant::try_from).transpose()
    }

    async fn update_tenant(&mut self, tenant: &Tenant) -> Result<(), TenancyError> {
        self.require_tenant(tenant.id)?;
        let row = row::Model::from(tenant);
        let plan = state(row::Column::Plan, tenant.plan.name, Plan::first().name, PLANS.iter().map(|plan| plan.name));
        let (status, known) = (tenant.status.name(), TenantStatus::ALL.map(TenantStatus::name));
        let status = state(row::Column::Status, status, TenantStatus::Suspended.name(), known);
        let update = row::Entity::update_many()
            .col_expr(row::Column::Name, Expr::value(row.name))
            .col_expr(row::Column::Slug, Expr::value(row.slug))
            .col_expr(row::Column::Plan, plan)
            .col_expr(row::Column::Status, status)
            .col_expr(row::Column::Version, next_version(row::Column::Version))
            .filter(row::Column::Id.eq(row.id))
            .filter(row::Column::Version.eq(row.version));
        match self.try_run(update.exec(&self.transaction)).await? {
            Ok(done) if done.rows_affected == 1 => Ok(()),
            Ok(_) => Err(TenancyError::VersionConflict),
            Err(failure) if failure.violates(&SLUG) => Err(TenancyError::SlugTaken),
            Err(failure) => Err(TenancyError::Store(failure.into())),
        }
    }
}
