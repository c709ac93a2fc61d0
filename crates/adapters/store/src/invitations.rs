//! Invitations and the roles that they assign: rows and queries only.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, Insert, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QueryTrait, Select,
    entity::prelude::Expr,
    prelude::Uuid,
    sea_query::{ExprTrait, Query},
};
use tenantry_jobs::{CleanUpTarget, ExpiredRows};
use tenantry_kernel::{
    Direction, EmailAddress, Name, Page, PageRequest, RoleId, StoreError, TenantId, Timestamp, UserId,
};
use tenantry_tenancy::{Invitation, InvitationId, InvitationState, Invitations, ListedInvitation, RoleName};

use crate::{
    Unit,
    failure::StatementError,
    pages::{keyset, lookahead, rows_of_page},
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
    fn into_invitation(self, roles: Vec<RoleId>) -> Result<Invitation, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "invitations", column };
        Ok(Invitation {
            id: InvitationId::from_uuid(self.id),
            tenant: TenantId::from_uuid(self.tenant_id),
            email: EmailAddress::from_stored(self.email.clone()).map_err(|_| inconsistent("email"))?,
            roles,
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

/// Repeats the condition of the partial index literally: no database derives it from a bound value.
fn is_open() -> Expr {
    Expr::cust("state = 'open'")
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
            .filter(is_open());
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
    ) -> Result<Page<ListedInvitation, InvitationId>, StoreError> {
        let after = page.after.map(|after| [after.uuid().into()]);
        let select = keyset(self.tenant_rows::<row::Entity>()?, [Column::Id], page.direction, after);
        let mut statement = select.build(self.transaction.get_database_backend());
        let order = match page.direction {
            Direction::Ascending => "ASC",
            Direction::Descending => "DESC",
        };
        statement.sql = format!(
            "SELECT page.*, users.name AS inviter FROM ({} {}) AS page \
             LEFT JOIN memberships ON memberships.tenant_id = page.tenant_id AND memberships.user_id = page.invited_by \
             LEFT JOIN users ON users.id = memberships.user_id ORDER BY page.id {order}",
            statement.sql,
            lookahead(page.limit)
        );
        let rows = self.run(self.transaction.query_all_raw(statement)).await?;
        let mut invitations: Vec<(row::Model, Option<String>)> = Vec::with_capacity(rows.len());
        for row in rows.iter().take(rows_of_page(page.limit)) {
            let invitation = row::Model::from_query_result(row, "").map_err(StatementError::from)?;
            invitations.push((invitation, row.try_get("", "inviter").map_err(StatementError::from)?));
        }
        let roles = self.named_roles(invitations.iter().map(|(row, _)| row.id)).await?;
        let listed = invitations.into_iter().map(|(row, inviter)| listed(row, inviter, &roles));
        let listed: Vec<ListedInvitation> = listed.collect::<Result<_, _>>()?;
        Ok(Page::from_lookahead(listed, page.limit, |listed| listed.invitation.id))
    }

    async fn count_invitations_with(&mut self, role: RoleId, now: Timestamp) -> Result<u64, StoreError> {
        let offering = Query::select()
            .expr(Expr::cust("1"))
            .from(offered::Entity)
            .and_where(Expr::col((offered::Entity, offered::Column::TenantId)).equals((row::Entity, Column::TenantId)))
            .and_where(Expr::col((offered::Entity, offered::Column::InvitationId)).equals((row::Entity, Column::Id)))
            .and_where(offered::Column::RoleId.eq(role.uuid()))
            .to_owned();
        let select = self
            .tenant_rows::<row::Entity>()?
            .filter(is_open())
            .filter(Column::ExpiresAt.gt(now.utc()))
            .filter(Expr::exists(offering));
        self.run(select.count(&self.transaction)).await
    }
}

/// The role of an invitation, with its name.
#[derive(FromQueryResult)]
struct NamedRole {
    tenant_id: Uuid,
    invitation_id: Uuid,
    role_id: Uuid,
    name: String,
}

fn listed(row: row::Model, inviter: Option<String>, roles: &[NamedRole]) -> Result<ListedInvitation, StoreError> {
    let own = roles.iter().filter(|role| role.invitation_id == row.id && role.tenant_id == row.tenant_id);
    let mut named = Vec::new();
    for role in own {
        let inconsistent = |_| StoreError::Inconsistent { table: "roles", column: "name" };
        named.push((RoleId::from_uuid(role.role_id), RoleName::from_stored(&role.name).map_err(inconsistent)?));
    }
    let inconsistent = |_| StoreError::Inconsistent { table: "users", column: "name" };
    let inviter = inviter.map(|name| Name::from_stored(&name).map_err(inconsistent)).transpose()?;
    let invitation = row.into_invitation(named.iter().map(|(id, _)| *id).collect())?;
    Ok(ListedInvitation { invitation, inviter, roles: named })
}

impl Unit {
    /// Returns the roles of these invitations, with their names.
    async fn named_roles(&self, invitations: impl Iterator<Item = Uuid>) -> Result<Vec<NamedRole>, StoreError> {
        let mut values = vec![self.id_list(invitations)];
        let mut of_tenant = "";
        if !self.scope.is_system() {
            of_tenant = " AND o.tenant_id = $2";
            values.push(self.tenant()?.uuid().into());
        }
        let sql = format!(
            "SELECT o.tenant_id, o.invitation_id, o.role_id, r.name FROM invitation_roles o \
             JOIN roles r ON r.tenant_id = o.tenant_id AND r.id = o.role_id \
             WHERE o.invitation_id {}{of_tenant}",
            self.among("$1")
        );
        let rows = self.run(self.transaction.query_all_raw(self.sql(&sql, values))).await?;
        let roles: Result<Vec<NamedRole>, _> = rows.iter().map(|row| NamedRole::from_query_result(row, "")).collect();
        let mut roles = roles.map_err(StatementError::from)?;
        // Not by the database: SQLite would read all roles of all invitations in this order, to save the sorting.
        roles.sort_unstable_by_key(|role| role.role_id);
        Ok(roles)
    }

    async fn invitation(&self, select: Select<row::Entity>) -> Result<Option<Invitation>, StoreError> {
        let Some(found) = self.one(select).await? else { return Ok(None) };
        let select = offered::Entity::find()
            .filter(offered::Column::TenantId.eq(found.tenant_id))
            .filter(offered::Column::InvitationId.eq(found.id))
            .order_by_asc(offered::Column::RoleId);
        let roles = self.all(select).await?.into_iter().map(|offered| RoleId::from_uuid(offered.role_id));
        found.into_invitation(roles.collect()).map(Some)
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
