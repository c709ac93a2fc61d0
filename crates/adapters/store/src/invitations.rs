//! Invitations and the roles that they assign: rows and queries only.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, EntityTrait, Insert, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, Select,
    entity::prelude::Expr,
    sea_query::{ExprTrait, Query},
};
use tenantry_jobs::{CleanUpTarget, ExpiredRows};
use tenantry_kernel::{EmailAddress, Page, PageRequest, RoleId, StoreError, TenantId, Timestamp, UserId};
use tenantry_tenancy::{Invitation, InvitationId, InvitationState, Invitations};

use crate::{
    Unit,
    pages::keyset,
    table::{ColumnErasure, DAY, ExpiringRows, Expiry, PersonalColumn, RowRetention, Table},
    unit::{TenantTable, hit_one},
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invitations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub email: String,
        pub state: String,
        pub invited_by: Uuid,
        pub token_hash: Option<Vec<u8>>,
        pub expires_at: ChronoDateTimeUtc,
        pub created_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod offered {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invitation_roles")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub invitation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub role_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::Column;

pub(crate) const TABLE: Table = Table {
    name: "invitations",
    of_tenant: Some("tenant_id = $1"),
    of_person: None,
    expires: &[
        // An expired invitation can be sent again, and a list of the last month shows the outcome of each.
        Expiry::CleanUp(ExpiringRows {
            target: CleanUpTarget::ExpiredInvitations,
            rows: ExpiredRows::Invitations,
            what: "expired invitations, in every state",
            over: "expires_at < $1",
            tenant: Some("tenant_id"),
            kept: RowRetention::For(DAY.saturating_mul(30)),
        }),
    ],
    personal: &[
        PersonalColumn::new(
            "email",
            ColumnErasure::By {
                function: "Erasure::erase_account, Erasure::erase_invitations",
                leaves: "a placeholder; an open invitation is revoked",
            },
        ),
        PersonalColumn::stays("invited_by", "records of the person's actions keep their id"),
    ],
};

pub(crate) const ROLES_TABLE: Table =
    Table { name: "invitation_roles", of_tenant: Some("tenant_id = $1"), of_person: None, expires: &[], personal: &[] };

impl TenantTable for row::Entity {
    const TENANT: Column = Column::TenantId;
}

impl TenantTable for offered::Entity {
    const TENANT: offered::Column = offered::Column::TenantId;
}

impl From<&Invitation> for row::Model {
    fn from(invitation: &Invitation) -> Self {
        Self {
            tenant_id: invitation.tenant.uuid(),
            id: invitation.id.uuid(),
            email: invitation.email.to_string(),
            state: invitation.state.name().to_owned(),
            invited_by: invitation.invited_by.uuid(),
            token_hash: invitation.token_hash.map(|hash| hash.to_vec()),
            expires_at: invitation.expires_at.utc(),
            created_at: invitation.created_at.utc(),
        }
    }
}

impl row::Model {
    fn with_roles(self, offered: &[offered::Model]) -> Result<Invitation, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "invitations", column };
        let own = offered.iter().filter(|role| role.invitation_id == self.id && role.tenant_id == self.tenant_id);
        Ok(Invitation {
            id: InvitationId::from_uuid(self.id),
            tenant: TenantId::from_uuid(self.tenant_id),
            email: EmailAddress::parse(&self.email).map_err(|_| inconsistent("email"))?,
            roles: own.map(|role| RoleId::from_uuid(role.role_id)).collect(),
            state: InvitationState::from_stored(&self.state),
            invited_by: UserId::from_uuid(self.invited_by),
            token_hash: match self.token_hash {
                None => None,
                Some(hash) => Some(hash.try_into().map_err(|_| inconsistent("token_hash"))?),
            },
            expires_at: Timestamp::new(self.expires_at),
            created_at: Timestamp::new(self.created_at),
        })
    }
}

#[async_trait]
impl Invitations for Unit {
    async fn insert_invitation(&mut self, invitation: &Invitation) -> Result<(), StoreError> {
        self.require_tenant(invitation.tenant)?;
        self.insert(row::Model::from(invitation)).await??;
        self.offer_roles(invitation).await
    }

    async fn invitation_by_id(&mut self, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
        self.invitation(self.tenant_rows::<row::Entity>()?.filter(Column::Id.eq(id.uuid()))).await
    }

    async fn open_invitation_to(
        &mut self,
        tenant: TenantId,
        email: &EmailAddress,
    ) -> Result<Option<Invitation>, StoreError> {
        let select = self
            .tenant_rows::<row::Entity>()?
            .filter(Column::TenantId.eq(tenant.uuid()))
            .filter(Column::Email.eq(email.as_str()))
            .filter(Column::State.eq(InvitationState::Open.name()));
        self.invitation(select).await
    }

    async fn invitation_by_token(&mut self, token_hash: &[u8; 32]) -> Result<Option<Invitation>, StoreError> {
        self.require_system()?;
        self.invitation(row::Entity::find().filter(Column::TokenHash.eq(token_hash.to_vec()))).await
    }

    async fn update_invitation(&mut self, invitation: &Invitation) -> Result<(), StoreError> {
        self.require_tenant(invitation.tenant)?;
        let row = row::Model::from(invitation);
        let update = row::Entity::update_many()
            .col_expr(Column::State, Expr::value(row.state))
            .col_expr(Column::InvitedBy, Expr::value(row.invited_by))
            .col_expr(Column::TokenHash, Expr::value(row.token_hash))
            .col_expr(Column::ExpiresAt, Expr::value(row.expires_at))
            .filter(Column::TenantId.eq(row.tenant_id))
            .filter(Column::Id.eq(row.id));
        let done = self.run(update.exec(&self.transaction)).await?;
        hit_one(done.rows_affected, "invitations")?;
        let delete = offered::Entity::delete_many()
            .filter(offered::Column::TenantId.eq(row.tenant_id))
            .filter(offered::Column::InvitationId.eq(row.id));
        self.run(delete.exec(&self.transaction)).await?;
        self.offer_roles(invitation).await
    }

    async fn page_invitations(
        &mut self,
        page: PageRequest<InvitationId>,
    ) -> Result<Page<Invitation, InvitationId>, StoreError> {
        let after = page.after.map(|after| [after.uuid().into()]);
        let select = keyset(self.tenant_rows::<row::Entity>()?, [Column::Id], page.direction, after);
        let rows = self.page_of(select, page.limit).await?;
        let invitations = self.with_roles(rows).await?;
        Ok(Page::from_lookahead(invitations, page.limit, |invitation| invitation.id))
    }

    async fn count_invitations_with(&mut self, role: RoleId, now: Timestamp) -> Result<u64, StoreError> {
        let offering = Query::select()
            .column(offered::Column::InvitationId)
            .from(offered::Entity)
            .and_where(Expr::col((offered::Entity, offered::Column::TenantId)).equals((row::Entity, Column::TenantId)))
            .and_where(offered::Column::RoleId.eq(role.uuid()))
            .to_owned();
        let select = self
            .tenant_rows::<row::Entity>()?
            .filter(Column::State.eq(InvitationState::Open.name()))
            .filter(Column::ExpiresAt.gt(now.utc()))
            .filter(Column::Id.in_subquery(offering));
        self.run(select.count(&self.transaction)).await
    }
}

impl Unit {
    async fn invitation(&self, select: Select<row::Entity>) -> Result<Option<Invitation>, StoreError> {
        let found = self.one(select).await?;
        Ok(self.with_roles(found.into_iter().collect()).await?.pop())
    }

    async fn with_roles(&self, rows: Vec<row::Model>) -> Result<Vec<Invitation>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let select = self
            .tenant_rows::<offered::Entity>()?
            .filter(offered::Column::InvitationId.is_in(rows.iter().map(|row| row.id)))
            .order_by_asc(offered::Column::RoleId);
        let offered = self.all(select).await?;
        rows.into_iter().map(|row| row.with_roles(&offered)).collect()
    }

    async fn offer_roles(&self, invitation: &Invitation) -> Result<(), StoreError> {
        if invitation.roles.is_empty() {
            return Ok(());
        }
        let rows = invitation.roles.iter().map(|role| {
            offered::Model {
                tenant_id: invitation.tenant.uuid(),
                invitation_id: invitation.id.uuid(),
                role_id: role.uuid(),
            }
            .into_active_model()
        });
        self.run(Insert::many(rows).exec_without_returning(&self.transaction)).await?;
        Ok(())
    }
}
