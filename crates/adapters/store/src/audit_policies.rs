//! How long tenants keep the entries of their audit logs.

use async_trait::async_trait;
use sea_orm::{EntityTrait, Insert, IntoActiveModel, sea_query::OnConflict};
use tenantry_audit::{AuditPolicies, AuditPolicy, Chain};
use tenantry_kernel::{StoreError, TenantId};

use crate::{Unit, table::Table, tenants, unit::TenantTable};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_policies")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        pub retention_days: Option<i32>,
        pub legal_hold: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) const TABLE: Table =
    Table { name: "audit_policies", of_tenant: Some("tenant_id = $1"), of_person: None, expires: &[], personal: &[] };

impl TenantTable for row::Entity {
    const TENANT: row::Column = row::Column::TenantId;
}

#[async_trait]
impl AuditPolicies for Unit {
    async fn audit_policy_of(&mut self, tenant: TenantId) -> Result<AuditPolicy, StoreError> {
        self.require_tenant(tenant)?;
        let Some(row) = self.one(row::Entity::find_by_id(tenant.uuid())).await? else {
            return Ok(AuditPolicy::default());
        };
        let inconsistent = |_| StoreError::Inconsistent { table: "audit_policies", column: "retention_days" };
        let retention_days = row.retention_days.map(u32::try_from).transpose().map_err(inconsistent)?;
        Ok(AuditPolicy { retention_days, legal_hold: row.legal_hold })
    }

    async fn put_audit_policy(&mut self, tenant: TenantId, policy: AuditPolicy) -> Result<(), StoreError> {
        self.require_tenant(tenant)?;
        let too_long = |_| StoreError::Misuse("entries are kept for at most 100 years");
        let row = row::Model {
            tenant_id: tenant.uuid(),
            retention_days: policy.retention_days.map(i32::try_from).transpose().map_err(too_long)?,
            legal_hold: policy.legal_hold,
        };
        let replace = OnConflict::column(row::Column::TenantId)
            .update_columns([row::Column::RetentionDays, row::Column::LegalHold])
            .to_owned();
        let insert = Insert::one(row.into_active_model()).on_conflict(replace);
        self.run(insert.exec_without_returning(&self.transaction)).await?;
        Ok(())
    }

    async fn plan_of_chain(&mut self, chain: Chain) -> Result<Option<String>, StoreError> {
        let Some(tenant) = chain.0 else { return Ok(None) };
        self.require_tenant(tenant)?;
        Ok(self.one(tenants::row::Entity::find_by_id(tenant.uuid())).await?.map(|tenant| tenant.plan))
    }
}
