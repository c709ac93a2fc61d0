//! Users: rows and queries only.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, Insert, IntoActiveModel, QueryFilter,
    QuerySelect, Select,
    entity::prelude::Expr,
    prelude::Uuid,
    sea_query::{ExprTrait, IntoCondition, LockType, OnConflict, Query},
};
use std::collections::{HashMap, hash_map::Entry};
use tenantry_identity::{IdentityError, MemberDetails, People, Person, PersonStatus};
use tenantry_kernel::{EmailAddress, Name, RoleId, StoreError, Timestamp, UserId};
use tenantry_tenancy::RoleName;

use crate::{
    Scope, Unit,
    failure::{StatementError, UniqueKey},
    memberships,
    table::{ColumnErasure, PersonalColumn, Table},
    unit::{next_version, state},
};

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

const EMAIL: UniqueKey = UniqueKey { name: "users_email", columns: "users.email" };

pub(crate) const TABLE: Table = Table {
    name: "users",
    of_tenant: Some("id IN (SELECT user_id FROM memberships WHERE tenant_id = $1)"),
    of_person: Some("id = $1"),
    expires: &[],
    personal: &[
        PersonalColumn::new("email", ColumnErasure::By { function: "erase_person", leaves: "a placeholder" }),
        PersonalColumn::new("email_verified_at", ColumnErasure::By { function: "erase_person", leaves: "nothing" }),
        PersonalColumn::new("name", ColumnErasure::By { function: "erase_person", leaves: "`Erased`" }),
    ],
};

/// Selects members of the tenant `$1` with the roles of each, one row for each role.
const MEMBERS: &str = "\
    SELECT u.id, u.email, u.email_verified_at, u.name, u.status, u.version, u.created_at, \
           r.id AS role_id, r.name AS role_name \
    FROM memberships m \
    JOIN users u ON u.id = m.user_id \
    LEFT JOIN membership_roles h ON h.tenant_id = m.tenant_id AND h.user_id = m.user_id \
    LEFT JOIN roles r ON r.tenant_id = h.tenant_id AND r.id = h.role_id \
    WHERE m.tenant_id = $1";

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
            email: EmailAddress::from_stored(row.email).map_err(|_| inconsistent("email"))?,
            email_verified_at: row.email_verified_at.map(Timestamp::new),
            name: Name::from_stored(&row.name).map_err(|_| inconsistent("name"))?,
            status: PersonStatus::from_stored(&row.status),
            version: row.version,
            created_at: Timestamp::new(row.created_at),
        })
    }
}

#[async_trait]
impl People for Unit {
    async fn insert_person(&mut self, person: &Person) -> Result<(), IdentityError> {
        self.require_system()?;
        let unless_taken = OnConflict::column(row::Column::Email).do_nothing().to_owned();
        let insert = Insert::one(row::Model::from(person).into_active_model()).on_conflict(unless_taken);
        match self.run(insert.exec_without_returning(&self.transaction)).await? {
            1 => Ok(()),
            _ => Err(IdentityError::EmailTaken),
        }
    }

    async fn person_by_id(&mut self, id: UserId) -> Result<Option<Person>, StoreError> {
        self.person(self.visible_people().filter(row::Column::Id.eq(id.uuid()))).await
    }

    async fn people_by_ids(&mut self, ids: &[UserId]) -> Result<Vec<Person>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let among = self.is_among(row::Column::Id, ids.iter().map(|id| id.uuid()));
        let select = self.visible_people().filter(among);
        self.all(select).await?.into_iter().map(Person::try_from).collect()
    }

    async fn members_by_ids(&mut self, ids: &[UserId]) -> Result<Vec<MemberDetails>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("{MEMBERS} AND m.user_id {} ORDER BY r.name_key", self.among("$2"));
        let values = [self.tenant()?.uuid().into(), self.id_list(ids.iter().map(|id| id.uuid()))];
        let rows = self.run(self.transaction.query_all_raw(self.sql(&sql, values))).await?;
        let mut members: HashMap<Uuid, MemberDetails> = HashMap::with_capacity(ids.len());
        for row in &rows {
            let person = row::Model::from_query_result(row, "").map_err(StatementError::from)?;
            let role: Option<Uuid> = row.try_get("", "role_id").map_err(StatementError::from)?;
            let role_name: Option<String> = row.try_get("", "role_name").map_err(StatementError::from)?;
            let member = match members.entry(person.id) {
                Entry::Occupied(member) => member.into_mut(),
                Entry::Vacant(place) => place.insert(MemberDetails { person: person.try_into()?, roles: Vec::new() }),
            };
            if let (Some(role), Some(name)) = (role, role_name) {
                let inconsistent = |_| StoreError::Inconsistent { table: "roles", column: "name" };
                member.roles.push((RoleId::from_uuid(role), RoleName::from_stored(&name).map_err(inconsistent)?));
            }
        }
        Ok(members.into_values().collect())
    }

    async fn person_by_email(&mut self, email: &EmailAddress) -> Result<Option<Person>, StoreError> {
        self.require_system()?;
        self.person(row::Entity::find().filter(row::Column::Email.eq(email.as_str()))).await
    }

    async fn lock_person(&mut self, id: UserId) -> Result<Option<Person>, StoreError> {
        if !self.is_own(id) {
            return Ok(None);
        }
        let select = row::Entity::find_by_id(id.uuid());
        self.person(if self.is_postgres() { select.lock(LockType::NoKeyUpdate) } else { select }).await
    }

    async fn update_person(&mut self, person: &Person) -> Result<(), IdentityError> {
        self.require_system()?;
        let row = row::Model::from(person);
        let (status, known) = (person.status.name(), PersonStatus::ALL.map(PersonStatus::name));
        let status = state(row::Column::Status, status, PersonStatus::Disabled.name(), known);
        let update = row::Entity::update_many()
            .col_expr(row::Column::Name, Expr::value(row.name))
            .col_expr(row::Column::Email, Expr::value(row.email))
            .col_expr(row::Column::EmailVerifiedAt, Expr::value(row.email_verified_at))
            .col_expr(row::Column::Status, status)
            .col_expr(row::Column::Version, next_version(row::Column::Version))
            .filter(row::Column::Id.eq(row.id))
            .filter(row::Column::Version.eq(row.version));
        match self.try_run(update.exec(&self.transaction)).await? {
            Ok(done) if done.rows_affected == 1 => {}
            Ok(_) => return Err(IdentityError::VersionConflict),
            Err(failure) if failure.violates(&EMAIL) => return Err(IdentityError::EmailTaken),
            Err(failure) => return Err(IdentityError::Store(failure.into())),
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
    /// Selects the users that the unit may see: for System units all, else the unit's own user and the members of the
    /// tenant.
    fn visible_people(&self) -> Select<row::Entity> {
        use memberships::row::{Column, Entity};
        let visible = match self.scope {
            Scope::System(_) => Condition::all(),
            Scope::Person(person) => row::Column::Id.eq(person.uuid()).into_condition(),
            Scope::Tenant { tenant, person } => {
                let membership = Query::select()
                    .expr(Expr::cust("1"))
                    .from(Entity)
                    .and_where(Column::TenantId.eq(tenant.uuid()))
                    .and_where(Expr::col((Entity, Column::UserId)).equals((row::Entity, row::Column::Id)))
                    .to_owned();
                Condition::any().add(row::Column::Id.eq(person.uuid())).add(Expr::exists(membership))
            }
        };
        row::Entity::find().filter(visible)
    }

    async fn person(&self, select: Select<row::Entity>) -> Result<Option<Person>, StoreError> {
        self.one(select).await?.map(Person::try_from).transpose()
    }
}
