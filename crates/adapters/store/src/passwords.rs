//! Password hashes: rows and queries only.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, entity::prelude::Expr};
use tenantry_identity::{Credential, CredentialStore, PasswordHash};
use tenantry_kernel::{StoreError, Timestamp, UserId};

use crate::{
    Unit,
    table::{ColumnErasure, PersonalColumn, Table},
    unit::hit_one,
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "credentials")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: Uuid,
        pub hash: String,
        pub version: i64,
        pub changed_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    impl std::fmt::Debug for Model {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("credentials").field("user_id", &self.user_id).finish_non_exhaustive()
        }
    }
}

pub(crate) const TABLE: Table = Table {
    name: "credentials",
    of_tenant: None,
    of_person: Some("user_id = $1"),
    expires: &[],
    personal: &[
        PersonalColumn::new("user_id", ColumnErasure::DeleteById),
        PersonalColumn::new("hash", ColumnErasure::WithRow),
    ],
};

#[async_trait]
impl CredentialStore for Unit {
    async fn insert_credential(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.require_own(credential.user)?;
        let row = row::Model {
            user_id: credential.user.uuid(),
            hash: credential.hash.phc().to_owned(),
            version: credential.version,
            changed_at: credential.changed_at.utc(),
        };
        Ok(self.insert(row).await??)
    }

    async fn credential_of(&mut self, user: UserId) -> Result<Option<Credential>, StoreError> {
        if !self.is_own(user) {
            return Ok(None);
        }
        let row = self.one(row::Entity::find_by_id(user.uuid())).await?;
        Ok(row.map(|row| Credential {
            user,
            hash: PasswordHash::new(row.hash),
            version: row.version,
            changed_at: Timestamp::new(row.changed_at),
        }))
    }

    async fn update_credential(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.require_own(credential.user)?;
        let update = row::Entity::update_many()
            .col_expr(row::Column::Hash, Expr::value(credential.hash.phc()))
            .col_expr(row::Column::Version, Expr::value(credential.version))
            .col_expr(row::Column::ChangedAt, Expr::value(credential.changed_at.utc()))
            .filter(row::Column::UserId.eq(credential.user.uuid()));
        let done = self.run(update.exec(&self.transaction)).await?;
        hit_one(done.rows_affected, "credentials")
    }
}
