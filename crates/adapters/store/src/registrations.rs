//! Registrations that wait for confirmation: rows and queries only.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, entity::prelude::Expr};
use tenantry_identity::{PasswordHash, Register, Registration, RegistrationId, Registrations};
use tenantry_jobs::{CleanUpTarget, ExpiredRows};
use tenantry_kernel::{EmailAddress, Name, StoreError, Timestamp};
use tenantry_tenancy::Slug;

use crate::{
    Unit,
    table::{ColumnErasure, DAY, ExpiringRows, Expiry, PersonalColumn, RowRetention, Table},
    unit::hit_one,
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "registrations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub email: String,
        pub name: String,
        pub hash: String,
        pub tenant_name: String,
        pub tenant_slug: Option<String>,
        pub token_hash: Option<Vec<u8>>,
        pub created_at: ChronoDateTimeUtc,
        pub expires_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    impl std::fmt::Debug for Model {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("registrations").field("id", &self.id).finish_non_exhaustive()
        }
    }
}

use row::Column;

pub(crate) const TABLE: Table = Table {
    name: "registrations",
    of_tenant: None,
    of_person: None,
    expires: &[
        // Unconfirmed registrations hold names and password hashes of users who never confirmed.
        Expiry::CleanUp(ExpiringRows {
            target: CleanUpTarget::ExpiredRegistrations,
            rows: ExpiredRows::Registrations,
            what: "expired registrations",
            over: "expires_at < $1",
            tenant: None,
            kept: RowRetention::For(DAY),
        }),
    ],
    personal: &[
        PersonalColumn::new("email", ColumnErasure::DeleteByAddress),
        PersonalColumn::new("name", ColumnErasure::WithRow),
        PersonalColumn::new("hash", ColumnErasure::WithRow),
        PersonalColumn::new("tenant_name", ColumnErasure::WithRow),
    ],
};

impl From<&Registration> for row::Model {
    fn from(registration: &Registration) -> Self {
        let wanted = &registration.wanted;
        Self {
            id: registration.id.uuid(),
            email: wanted.email.to_string(),
            name: wanted.name.to_string(),
            hash: wanted.hash.phc().to_owned(),
            tenant_name: wanted.tenant_name.to_string(),
            tenant_slug: wanted.tenant_slug.as_ref().map(ToString::to_string),
            token_hash: registration.token_hash.map(|hash| hash.to_vec()),
            created_at: registration.created_at.utc(),
            expires_at: registration.expires_at.utc(),
        }
    }
}

impl TryFrom<row::Model> for Registration {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "registrations", column };
        let tenant_slug = row.tenant_slug.as_deref().map(Slug::parse).transpose();
        Ok(Self {
            id: RegistrationId::from_uuid(row.id),
            wanted: Register {
                email: EmailAddress::from_stored(row.email).map_err(|_| inconsistent("email"))?,
                name: Name::from_stored(&row.name).map_err(|_| inconsistent("name"))?,
                hash: PasswordHash::new(row.hash),
                tenant_name: Name::from_stored(&row.tenant_name).map_err(|_| inconsistent("tenant_name"))?,
                tenant_slug: tenant_slug.map_err(|_| inconsistent("tenant_slug"))?,
            },
            token_hash: match row.token_hash {
                None => None,
                Some(hash) => Some(hash.try_into().map_err(|_| inconsistent("token_hash"))?),
            },
            created_at: Timestamp::new(row.created_at),
            expires_at: Timestamp::new(row.expires_at),
        })
    }
}

#[async_trait]
impl Registrations for Unit {
    async fn insert_registration(&mut self, registration: &Registration) -> Result<(), StoreError> {
        self.require_system()?;
        Ok(self.insert(row::Model::from(registration)).await??)
    }

    async fn registration_by_id(&mut self, id: RegistrationId) -> Result<Option<Registration>, StoreError> {
        self.require_system()?;
        self.one(row::Entity::find_by_id(id.uuid())).await?.map(Registration::try_from).transpose()
    }

    async fn registration_by_token(&mut self, token_hash: &[u8; 32]) -> Result<Option<Registration>, StoreError> {
        self.require_system()?;
        let select = row::Entity::find().filter(Column::TokenHash.eq(token_hash.to_vec()));
        self.one(select).await?.map(Registration::try_from).transpose()
    }

    async fn registrations_of(&mut self, email: &EmailAddress) -> Result<Vec<RegistrationId>, StoreError> {
        self.require_system()?;
        let select = row::Entity::find().filter(Column::Email.eq(email.as_str())).order_by_asc(Column::Id);
        Ok(self.all(select).await?.into_iter().map(|row| RegistrationId::from_uuid(row.id)).collect())
    }

    async fn set_registration_token(&mut self, id: RegistrationId, token_hash: &[u8; 32]) -> Result<(), StoreError> {
        self.require_system()?;
        let update = row::Entity::update_many()
            .col_expr(Column::TokenHash, Expr::value(token_hash.to_vec()))
            .filter(Column::Id.eq(id.uuid()));
        let done = self.run(update.exec(&self.transaction)).await?;
        hit_one(done.rows_affected, "registrations")
    }

    async fn delete_registration(&mut self, id: RegistrationId) -> Result<bool, StoreError> {
        self.require_system()?;
        let delete = row::Entity::delete_many().filter(Column::Id.eq(id.uuid()));
        Ok(self.run(delete.exec(&self.transaction)).await?.rows_affected == 1)
    }

    async fn delete_registrations_of(&mut self, email: &EmailAddress) -> Result<(), StoreError> {
        self.require_system()?;
        let delete = row::Entity::delete_many().filter(Column::Email.eq(email.as_str()));
        self.run(delete.exec(&self.transaction)).await?;
        Ok(())
    }
}
