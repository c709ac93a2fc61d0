//! Links of users: rows and queries only.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, Insert, IntoActiveModel, QueryFilter, sea_query::OnConflict};
use tenantry_identity::{Link, LinkKind, Links};
use tenantry_jobs::{CleanUpTarget, ExpiredRows};
use tenantry_kernel::{EmailAddress, SessionId, StoreError, Timestamp, UserId};

use crate::{
    Unit,
    table::{ColumnErasure, DAY, ExpiringRows, Expiry, PersonalColumn, RowRetention, Table},
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "links")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: String,
        pub email: String,
        pub session_id: Option<Uuid>,
        pub token_hash: Vec<u8>,
        pub created_at: ChronoDateTimeUtc,
        pub expires_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::Column;

pub(crate) const TABLE: Table = Table {
    name: "links",
    of_tenant: None,
    of_person: Some("user_id = $1"),
    expires: &[
        // The response to an expired link is the same without the row.
        Expiry::CleanUp(ExpiringRows {
            target: CleanUpTarget::ExpiredLinks,
            rows: ExpiredRows::Links,
            what: "expired links",
            over: "expires_at < $1",
            tenant: None,
            kept: RowRetention::For(DAY),
        }),
    ],
    personal: &[
        PersonalColumn::new("user_id", ColumnErasure::DeleteById),
        PersonalColumn::new("email", ColumnErasure::WithRow),
    ],
};

impl From<&Link> for row::Model {
    fn from(link: &Link) -> Self {
        Self {
            user_id: link.user.uuid(),
            kind: link.kind.name().to_owned(),
            email: link.email.to_string(),
            session_id: link.session.map(SessionId::uuid),
            token_hash: link.token_hash.to_vec(),
            created_at: link.created_at.utc(),
            expires_at: link.expires_at.utc(),
        }
    }
}

impl TryFrom<row::Model> for Link {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "links", column };
        Ok(Self {
            user: UserId::from_uuid(row.user_id),
            kind: LinkKind::from_name(&row.kind).ok_or_else(|| inconsistent("kind"))?,
            email: EmailAddress::from_stored(row.email).map_err(|_| inconsistent("email"))?,
            session: row.session_id.map(SessionId::from_uuid),
            token_hash: row.token_hash.try_into().map_err(|_| inconsistent("token_hash"))?,
            created_at: Timestamp::new(row.created_at),
            expires_at: Timestamp::new(row.expires_at),
        })
    }
}

#[async_trait]
impl Links for Unit {
    async fn put_link(&mut self, link: &Link) -> Result<(), StoreError> {
        self.require_own(link.user)?;
        let replace = OnConflict::columns([Column::UserId, Column::Kind])
            .update_columns([Column::Email, Column::SessionId, Column::TokenHash, Column::CreatedAt, Column::ExpiresAt])
            .to_owned();
        let insert = Insert::one(row::Model::from(link).into_active_model()).on_conflict(replace);
        self.run(insert.exec_without_returning(&self.transaction)).await?;
        Ok(())
    }

    async fn link_by_token(&mut self, token_hash: &[u8; 32]) -> Result<Option<Link>, StoreError> {
        self.require_system()?;
        let select = row::Entity::find().filter(Column::TokenHash.eq(token_hash.to_vec()));
        let row = self.one(select).await?;
        // A link of a kind that only a newer program knows is good for nothing here.
        let row = row.filter(|row| LinkKind::from_name(&row.kind).is_some());
        row.map(Link::try_from).transpose()
    }

    async fn take_link(&mut self, link: &Link) -> Result<bool, StoreError> {
        self.require_own(link.user)?;
        let delete = row::Entity::delete_many()
            .filter(Column::UserId.eq(link.user.uuid()))
            .filter(Column::Kind.eq(link.kind.name()))
            .filter(Column::TokenHash.eq(link.token_hash.to_vec()));
        Ok(self.run(delete.exec(&self.transaction)).await?.rows_affected == 1)
    }

    async fn delete_link_of(&mut self, user: UserId, kind: LinkKind) -> Result<(), StoreError> {
        self.require_own(user)?;
        let of_user = row::Entity::delete_many().filter(Column::UserId.eq(user.uuid()));
        let delete = of_user.filter(Column::Kind.eq(kind.name()));
        self.run(delete.exec(&self.transaction)).await?;
        Ok(())
    }

    async fn delete_links_of(&mut self, user: UserId) -> Result<(), StoreError> {
        self.require_own(user)?;
        let delete = row::Entity::delete_many().filter(Column::UserId.eq(user.uuid()));
        self.run(delete.exec(&self.transaction)).await?;
        Ok(())
    }
}
