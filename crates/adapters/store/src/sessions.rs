//! Sessions: rows and queries only.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder,
    entity::prelude::Expr,
    sea_query::{ExprTrait, IntoCondition},
};
use tenantry_identity::{EndReason, Session, Sessions};
use tenantry_jobs::{CleanUpTarget, ExpiredRows};
use tenantry_kernel::{SessionId, SignInId, StoreError, TenantId, Timestamp, UserId};

use crate::{
    Scope, Unit,
    table::{ColumnErasure, ExpiringRows, Expiry, HOUR, PersonalColumn, RowRetention, Table},
};

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub sign_in_id: Uuid,
        pub user_id: Uuid,
        pub tenant_id: Option<Uuid>,
        pub key_id: String,
        pub rotation: i64,
        pub seen_rotation: i64,
        pub created_at: ChronoDateTimeUtc,
        pub rotated_at: ChronoDateTimeUtc,
        pub last_used_at: ChronoDateTimeUtc,
        pub expires_at: ChronoDateTimeUtc,
        pub ended_at: Option<ChronoDateTimeUtc>,
        pub end_reason: Option<String>,
        pub user_agent: Option<String>,
        pub ip: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::Column;

pub(crate) const TABLE: Table = Table {
    name: "sessions",
    of_tenant: Some("tenant_id = $1"),
    of_person: Some("user_id = $1"),
    expires: &[
        // The hour covers requests under way.
        Expiry::CleanUp(ExpiringRows {
            target: CleanUpTarget::EndedSessions,
            rows: ExpiredRows::Sessions,
            what: "sessions past their absolute end; until then the row reveals a copied token",
            over: "expires_at < $1",
            tenant: Some("tenant_id"),
            kept: RowRetention::For(HOUR),
        }),
    ],
    personal: &[
        PersonalColumn::new("user_id", ColumnErasure::DeleteById),
        PersonalColumn::new("user_agent", ColumnErasure::WithRow),
        PersonalColumn::new("ip", ColumnErasure::WithRow),
    ],
};

impl From<&Session> for row::Model {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.uuid(),
            sign_in_id: session.sign_in.uuid(),
            user_id: session.user.uuid(),
            tenant_id: session.tenant.map(TenantId::uuid),
            key_id: session.key_id.clone(),
            rotation: session.rotation.into(),
            seen_rotation: session.seen_rotation.into(),
            created_at: session.created_at.utc(),
            rotated_at: session.rotated_at.utc(),
            last_used_at: session.last_used_at.utc(),
            expires_at: session.expires_at.utc(),
            ended_at: session.ended.map(|(at, _)| at.utc()),
            end_reason: session.ended.map(|(_, reason)| reason.name().to_owned()),
            user_agent: session.user_agent.clone(),
            ip: session.ip.map(|ip| ip.to_string()),
        }
    }
}

impl TryFrom<row::Model> for Session {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "sessions", column };
        Ok(Self {
            id: SessionId::from_uuid(row.id),
            sign_in: SignInId::from_uuid(row.sign_in_id),
            user: UserId::from_uuid(row.user_id),
            tenant: row.tenant_id.map(TenantId::from_uuid),
            key_id: row.key_id,
            rotation: u32::try_from(row.rotation).map_err(|_| inconsistent("rotation"))?,
            seen_rotation: u32::try_from(row.seen_rotation).map_err(|_| inconsistent("seen_rotation"))?,
            created_at: Timestamp::new(row.created_at),
            rotated_at: Timestamp::new(row.rotated_at),
            last_used_at: Timestamp::new(row.last_used_at),
            expires_at: Timestamp::new(row.expires_at),
            ended: row
                .ended_at
                .map(|at| (Timestamp::new(at), EndReason::from_stored(row.end_reason.as_deref().unwrap_or_default()))),
            user_agent: row.user_agent,
            ip: match row.ip {
                Some(ip) => Some(ip.parse().map_err(|_| inconsistent("ip"))?),
                None => None,
            },
        })
    }
}

#[async_trait]
impl Sessions for Unit {
    async fn insert_session(&mut self, session: &Session) -> Result<(), StoreError> {
        let in_own_tenant = self.scope.tenant().is_some() && session.tenant == self.scope.tenant();
        if !in_own_tenant && !self.is_own(session.user) {
            return Err(StoreError::Misuse("a unit cannot start a session of another person in another tenant"));
        }
        Ok(self.insert(row::Model::from(session)).await??)
    }

    async fn session_by_id(&mut self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let select = row::Entity::find().filter(Column::Id.eq(id.uuid())).filter(self.visible_sessions());
        self.one(select).await?.map(Session::try_from).transpose()
    }

    async fn running_sessions_of(&mut self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let select = row::Entity::find()
            .filter(Column::UserId.eq(user.uuid()))
            .filter(self.visible_sessions())
            .filter(Column::EndedAt.is_null())
            .filter(Column::ExpiresAt.gt(now.utc()))
            .order_by_desc(Column::Id);
        self.all(select).await?.into_iter().map(Session::try_from).collect()
    }

    async fn rotate_session(
        &mut self,
        id: SessionId,
        rotation: u32,
        idle_since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let update = row::Entity::update_many()
            .col_expr(Column::Rotation, Expr::col(Column::Rotation).add(1))
            .col_expr(Column::SeenRotation, Expr::col(Column::Rotation))
            .col_expr(Column::RotatedAt, Expr::value(now.utc()))
            .col_expr(Column::LastUsedAt, Expr::value(now.to_minute().utc()))
            .filter(Column::Id.eq(id.uuid()))
            .filter(self.visible_sessions())
            .filter(Column::Rotation.eq(i64::from(rotation)))
            .filter(Column::EndedAt.is_null())
            .filter(Column::ExpiresAt.gt(now.utc()))
            .filter(Column::RotatedAt.gt(idle_since.utc()));
        let rotated = self.run(update.exec_with_returning(&self.transaction)).await?;
        rotated.into_iter().next().map(Session::try_from).transpose()
    }

    async fn mark_rotation_seen(&mut self, id: SessionId, rotation: u32) -> Result<(), StoreError> {
        let update = row::Entity::update_many()
            .col_expr(Column::SeenRotation, Expr::value(i64::from(rotation)))
            .filter(Column::Id.eq(id.uuid()))
            .filter(self.visible_sessions())
            .filter(Column::Rotation.gte(i64::from(rotation)))
            .filter(Column::SeenRotation.lt(i64::from(rotation)));
        self.run(update.exec(&self.transaction)).await?;
        Ok(())
    }

    async fn end_session(
        &mut self,
        id: SessionId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        self.end_sessions(Column::Id.eq(id.uuid()).into(), reason, now).await
    }

    async fn end_sessions_of_sign_in(
        &mut self,
        sign_in: SignInId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        self.end_sessions(Column::SignInId.eq(sign_in.uuid()).into(), reason, now).await
    }

    async fn end_sessions_of_user(
        &mut self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        let mut which = Condition::all().add(Column::UserId.eq(user.uuid()));
        if let Some(except) = except {
            which = which.add(Column::Id.ne(except.uuid()));
        }
        self.end_sessions(which, reason, now).await
    }

    async fn end_sessions_of_member(
        &mut self,
        tenant: TenantId,
        user: UserId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        let which = Condition::all().add(Column::TenantId.eq(tenant.uuid())).add(Column::UserId.eq(user.uuid()));
        self.end_sessions(which, reason, now).await
    }
}

impl Unit {
    /// Returns the condition for the sessions that the unit may see: for System units all, else the user's own and
    /// those in the tenant.
    fn visible_sessions(&self) -> Condition {
        match self.scope {
            Scope::System(_) => Condition::all(),
            Scope::Person(person) => Column::UserId.eq(person.uuid()).into_condition(),
            Scope::Tenant { tenant, person } => {
                Condition::any().add(Column::UserId.eq(person.uuid())).add(Column::TenantId.eq(tenant.uuid()))
            }
        }
    }

    async fn end_sessions(
        &self,
        which: Condition,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        let update = row::Entity::update_many()
            .col_expr(Column::EndedAt, Expr::value(now.utc()))
            .col_expr(Column::EndReason, Expr::value(reason.name()))
            .filter(which)
            .filter(self.visible_sessions())
            .filter(Column::EndedAt.is_null());
        let ended = self.run(update.exec_with_returning(&self.transaction)).await?;
        ended.into_iter().map(Session::try_from).collect()
    }
}
