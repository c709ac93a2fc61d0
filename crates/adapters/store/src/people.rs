//! People: rows, queries, and nothing else.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, EntityTrait, Insert, IntoActiveModel, QueryFilter, QuerySelect, Select,
    entity::prelude::Expr,
    sea_query::{LockType, OnConflict},
};
use tenantry_identity::{IdentityError, People, Person, PersonStatus};
use tenantry_kernel::{EmailAddress, Name, StoreError, Timestamp, UserId};

use crate::{Unit, memberships, unit::next_version};

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub email: String,
        pub email_verified_at: Option<ChronoDateTimeUtc>,
        pub name: String,
        pub status: String,
        pub version: i64,
        pub created_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl From<&Person> for row::Model {
    fn from(person: &Person) -> Self {
        Self {
            id: person.id.uuid(),
            email: person.email.as_str().to_owned(),
            email_verified_at: person.email_verified_at.map(Timestamp::utc),
            name: person.name.to_string(),
            status: person.status.name().to_owned(),
            version: person.version,
            created_at: person.created_at.utc(),
        }
    }
}

impl TryFrom<row::Model> for Person {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "users", column };
        Ok(Self {
            id: UserId::from_uuid(row.id),
            email: EmailAddress::parse(&row.email).map_err(|_| inconsistent("email"))?,
            email_verified_at: row.email_verified_at.map(Timestamp::new),
            name: Name::parse(&row.name).map_err(|_| inconsistent("name"))?,
            status: PersonStatus::from_name(&row.status).ok_or_else(|| inconsistent("status"))?,
            version: row.version,
            created_at: Timestamp::new(row.created_at),
        })
    }
}

#[async_trait]
impl People for Unit {
    async fn insert_person(&mut self, person: &Person) -> Result<(), IdentityError> {
        let unless_taken = OnConflict::column(row::Column::Email).do_nothing().to_owned();
        let insert = Insert::one(row::Model::from(person).into_active_model()).on_conflict(unless_taken);
        match self.run(insert.exec_without_returning(&self.transaction)).await? {
            1 => Ok(()),
            _ => Err(IdentityError::EmailTaken),
        }
    }

    async fn person_by_id(&mut self, id: UserId) -> Result<Option<Person>, StoreError> {
        self.person(row::Entity::find_by_id(id.uuid())).await
    }

    async fn people_by_ids(&mut self, ids: &[UserId]) -> Result<Vec<Person>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let select = row::Entity::find().filter(row::Column::Id.is_in(ids.iter().map(|id| id.uuid())));
        self.all(select).await?.into_iter().map(Person::try_from).collect()
    }

    async fn person_by_email(&mut self, email: &EmailAddress) -> Result<Option<Person>, StoreError> {
        self.require_system()?;
        self.person(row::Entity::find().filter(row::Column::Email.eq(email.as_str()))).await
    }

    async fn lock_person(&mut self, id: UserId) -> Result<Option<Person>, StoreError> {
        let select = row::Entity::find_by_id(id.uuid());
        self.person(if self.is_postgres() { select.lock(LockType::NoKeyUpdate) } else { select }).await
    }

    async fn update_person(&mut self, person: &Person) -> Result<(), IdentityError> {
        let row = row::Model::from(person);
        let update = row::Entity::update_many()
            .col_expr(row::Column::Name, Expr::value(row.name))
            .col_expr(row::Column::Status, Expr::value(row.status))
            .col_expr(row::Column::Version, next_version(row::Column::Version))
            .filter(row::Column::Id.eq(row.id))
            .filter(row::Column::Version.eq(row.version));
        let done = self.run(update.exec(&self.transaction)).await?;
        if done.rows_affected != 1 {
            return Err(IdentityError::VersionConflict);
        }
        let keys = person.member_keys();
        let update = memberships::row::Entity::update_many()
            .col_expr(memberships::row::Column::NameKey, Expr::value(keys.name))
            .col_expr(memberships::row::Column::EmailKey, Expr::value(keys.email))
            .filter(memberships::row::Column::UserId.eq(row.id));
        self.run(update.exec(&self.transaction)).await?;
        Ok(())
    }
}

impl Unit {
    async fn person(&self, select: Select<row::Entity>) -> Result<Option<Person>, StoreError> {
        self.one(select).await?.map(Person::try_from).transpose()
    }
}
