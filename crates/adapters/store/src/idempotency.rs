//! Stored responses of idempotent requests: rows and queries only.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Insert, IntoActiveModel, QueryFilter, Select, sea_query::OnConflict,
};
use tenantry_idempotency::{
    Fingerprint, IdempotencyRecord, IdempotencyScope, IdempotencyStore, KeyState, RESPONSE_RETENTION, StoredResponse,
};
use tenantry_jobs::{CleanUpTarget, ExpiredRows};
use tenantry_kernel::{StoreError, TenantId, Timestamp};
use uuid::Uuid;

use crate::{
    Unit,
    table::{ColumnErasure, ExpiringRows, Expiry, PersonalColumn, RowRetention, Table},
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "answers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub lane: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub route: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub secret_id: String,
        pub fingerprint: Vec<u8>,
        pub status: i32,
        pub headers: String,
        pub body: Vec<u8>,
        pub answered_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::Column;

fn tenant_key(scope: &IdempotencyScope) -> Uuid {
    scope.tenant.map(TenantId::uuid).unwrap_or_default()
}

fn row_of(scope: &IdempotencyScope, record: &IdempotencyRecord) -> Result<row::Model, StoreError> {
    let StoredResponse { status, headers, body } = &record.response;
    Ok(row::Model {
        lane: tenant_key(scope),
        user_id: scope.person.uuid(),
        route: scope.route.clone(),
        key: scope.key.as_str().to_owned(),
        secret_id: record.secret_id.clone(),
        fingerprint: record.fingerprint.bytes().to_vec(),
        status: (*status).into(),
        headers: serde_json::to_string(headers).map_err(|error| StoreError::Failed(Box::new(error)))?,
        body: body.clone(),
        answered_at: record.answered_at.utc(),
    })
}

pub(crate) const TABLE: Table = Table {
    name: "answers",
    of_tenant: None,
    of_person: Some("user_id = $1 AND lane = '00000000-0000-0000-0000-000000000000'"),
    expires: &[Expiry::CleanUp(ExpiringRows {
        target: CleanUpTarget::Answers,
        rows: ExpiredRows::Answers,
        what: "responses stored for requests with an `Idempotency-Key`",
        over: "answered_at < $1",
        tenant: Some("lane"),
        kept: RowRetention::For(RESPONSE_RETENTION),
    })],
    personal: &[
        PersonalColumn::new("user_id", ColumnErasure::DeleteById),
        PersonalColumn::new("body", ColumnErasure::DeleteByAddressInBytes),
    ],
};

impl TryFrom<row::Model> for IdempotencyRecord {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "answers", column };
        let fingerprint = row.fingerprint.try_into().map_err(|_| inconsistent("fingerprint"))?;
        Ok(Self {
            secret_id: row.secret_id,
            fingerprint: Fingerprint::from_bytes(fingerprint),
            response: StoredResponse {
                status: u16::try_from(row.status).map_err(|_| inconsistent("status"))?,
                headers: serde_json::from_str(&row.headers).map_err(|_| inconsistent("headers"))?,
                body: row.body,
            },
            answered_at: Timestamp::new(row.answered_at),
        })
    }
}

impl Unit {
    /// Fails unless the key belongs to the unit's user, in the unit's tenant.
    fn require_key_scope(&self, scope: &IdempotencyScope) -> Result<(), StoreError> {
        self.require_own(scope.person)?;
        match scope.tenant {
            Some(tenant) => self.require_tenant(tenant),
            None if self.scope.tenant().is_none() => Ok(()),
            None => Err(StoreError::Misuse("a key without a tenant was used in a tenant")),
        }
    }

    fn record_rows(scope: &IdempotencyScope, since: Timestamp) -> Select<row::Entity> {
        row::Entity::find()
            .filter(Column::Lane.eq(tenant_key(scope)))
            .filter(Column::UserId.eq(scope.person.uuid()))
            .filter(Column::Route.eq(&scope.route))
            .filter(Column::Key.eq(scope.key.as_str()))
            .filter(Column::AnsweredAt.gte(since.utc()))
    }
}

#[async_trait]
impl IdempotencyStore for Unit {
    async fn acquire_key(&mut self, scope: &IdempotencyScope, since: Timestamp) -> Result<KeyState, StoreError> {
        self.require_key_scope(scope)?;
        // On SQLite this unit is the only writer.
        if self.is_postgres() {
            let name = format!("{} {} {} {}", tenant_key(scope), scope.person, scope.route, scope.key.as_str());
            let lock = "SELECT 1 WHERE pg_try_advisory_xact_lock(hashtextextended($1, 0))";
            if self.run(self.transaction.query_one_raw(self.sql(lock, [name.into()]))).await?.is_none() {
                return Ok(KeyState::Running);
            }
        }
        Ok(self.stored_response(scope, since).await?.map_or(KeyState::First, KeyState::Answered))
    }

    async fn stored_response(
        &mut self,
        scope: &IdempotencyScope,
        since: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.require_key_scope(scope)?;
        self.one(Self::record_rows(scope, since)).await?.map(IdempotencyRecord::try_from).transpose()
    }

    async fn store_response(&mut self, scope: &IdempotencyScope, record: &IdempotencyRecord) -> Result<(), StoreError> {
        self.require_key_scope(scope)?;
        let replace = OnConflict::columns([Column::Lane, Column::UserId, Column::Route, Column::Key])
            .update_columns([
                Column::SecretId,
                Column::Fingerprint,
                Column::Status,
                Column::Headers,
                Column::Body,
                Column::AnsweredAt,
            ])
            .to_owned();
        let insert = Insert::one(row_of(scope, record)?.into_active_model()).on_conflict(replace);
        self.run(insert.exec_without_returning(&self.transaction)).await?;
        Ok(())
    }
}
