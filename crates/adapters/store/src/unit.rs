//! One open transaction with its scope and deadline: the type that implements every port.

use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait,
    FromQueryResult, Insert, IntoActiveModel, QueryFilter, QueryTrait, Select, Statement, Value,
    prelude::Uuid,
    sea_query::{Expr, ExprTrait, Func, Query, extension::postgres::PgFunc},
};
use std::future::Future;
use tenantry_kernel::{StoreError, TenantId, UserId, Vocabulary};
use tokio::time::{Instant, timeout_at};

use crate::{AuthorityChange, Scope, Store, failure::StatementError, transaction::Transaction};

/// One open transaction. Dropping it rolls back uncommitted changes.
pub struct Unit {
    pub(crate) transaction: Transaction,
    pub(crate) scope: Scope,
    deadline: Instant,
    store: Store,
    authority_changes: Vec<AuthorityChange>,
    pub(crate) has_enqueued: bool,
    pub(crate) role_assignment_changes: Vec<TenantId>,
}

/// The changes to publish after a unit was committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// The changes of authority.
    pub authority_changes: Vec<AuthorityChange>,
    /// Whether the unit enqueued jobs.
    pub has_enqueued: bool,
    /// The tenants in which role assignments changed.
    pub role_assignment_changes: Vec<TenantId>,
}

/// A table whose rows belong to tenants.
pub(crate) trait TenantTable: EntityTrait {
    /// The column that names the tenant.
    const TENANT: Self::Column;
}

impl Unit {
    pub(crate) fn new(transaction: Transaction, scope: Scope, deadline: Instant, store: Store) -> Self {
        Self {
            transaction,
            scope,
            deadline,
            store,
            authority_changes: Vec::new(),
            has_enqueued: false,
            role_assignment_changes: Vec::new(),
        }
    }

    /// Commits the unit, and returns the changes to publish.
    pub async fn commit(self) -> Result<Committed, StoreError> {
        let committed = timeout_at(self.deadline, self.transaction.commit()).await;
        self.store.watch(committed)?.map_err(|error| StatementError::from(self.store.note_failure(error)))?;
        Ok(Committed {
            authority_changes: self.authority_changes,
            has_enqueued: self.has_enqueued,
            role_assignment_changes: self.role_assignment_changes,
        })
    }

    /// Rolls the unit back and releases its locks. Dropping the unit does the same, a little later.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        let rolled_back = timeout_at(self.deadline, self.transaction.roll_back()).await;
        Ok(self.store.watch(rolled_back)?.map_err(|error| StatementError::from(self.store.note_failure(error)))?)
    }

    /// Returns the vocabulary by which stored names are read.
    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.store.vocabulary
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.transaction.get_database_backend() == DbBackend::Postgres
    }

    /// Returns a statement that both databases understand.
    pub(crate) fn sql(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.transaction.get_database_backend(), sql, values)
    }

    /// Returns the condition that the column holds one of the ids. The ids travel as one value, so that the statement
    /// has the same text for any number of ids and is prepared once.
    pub(crate) fn is_among(&self, column: impl ColumnTrait, ids: impl IntoIterator<Item = Uuid>) -> Expr {
        let (column, ids) = (Expr::col(column.as_column_ref()), Expr::value(self.id_list(ids)));
        if self.is_postgres() {
            return column.eq(PgFunc::any(ids));
        }
        let listed = Query::select()
            .expr(Expr::cust("unhex(value)"))
            .from_function(Func::cust("json_each").arg(ids), "listed")
            .to_owned();
        column.in_subquery(listed)
    }

    /// Returns what [`Unit::is_among`] says, for the text of a statement whose parameter `place` is an
    /// [`Unit::id_list`].
    pub(crate) fn among(&self, place: &str) -> String {
        if self.is_postgres() {
            format!("= ANY ({place})")
        } else {
            format!("IN (SELECT unhex(value) FROM json_each({place}))")
        }
    }

    /// Returns the ids as one value: an array on PostgreSQL, a JSON text on SQLite.
    pub(crate) fn id_list(&self, ids: impl IntoIterator<Item = Uuid>) -> Value {
        if self.is_postgres() {
            return ids.into_iter().collect::<Vec<Uuid>>().into();
        }
        let ids: Vec<String> = ids.into_iter().map(|id| id.simple().to_string()).collect();
        serde_json::Value::from(ids).to_string().into()
    }

    /// Selects the rows of the unit's tenant; for System units, of every tenant.
    pub(crate) fn tenant_rows<E: TenantTable>(&self) -> Result<Select<E>, StoreError> {
        Ok(E::find().filter(self.of_tenant::<E>()?))
    }

    /// Returns the condition that a row belongs to the unit's tenant; for System units, to any tenant.
    pub(crate) fn of_tenant<E: TenantTable>(&self) -> Result<Condition, StoreError> {
        match self.scope {
            Scope::Tenant { tenant, .. } => Ok(Condition::all().add(E::TENANT.eq(tenant.uuid()))),
            Scope::System(_) => Ok(Condition::all()),
            Scope::Person(_) => Err(StoreError::Misuse("a unit outside any tenant cannot read a tenant's rows")),
        }
    }

    /// Fails when the unit belongs to another tenant. On PostgreSQL a policy enforces this too, on SQLite only this
    /// check.
    pub(crate) fn require_tenant(&self, tenant: TenantId) -> Result<(), StoreError> {
        match self.scope {
            Scope::System(_) => Ok(()),
            Scope::Tenant { tenant: own, .. } if own == tenant => Ok(()),
            Scope::Tenant { .. } | Scope::Person(_) => Err(StoreError::Misuse("a unit cannot change another tenant")),
        }
    }

    /// Returns whether the unit may see the user's own data, in any tenant.
    pub(crate) fn is_own(&self, user: UserId) -> bool {
        self.scope.is_system() || self.scope.person() == Some(user)
    }

    /// Fails unless the unit may change the user's own data: no other user may.
    pub(crate) fn require_own(&self, user: UserId) -> Result<(), StoreError> {
        if self.is_own(user) { Ok(()) } else { Err(StoreError::Misuse("a unit cannot change rows of another person")) }
    }

    /// Returns the unit's tenant.
    pub(crate) fn tenant(&self) -> Result<TenantId, StoreError> {
        self.scope.tenant().ok_or(StoreError::Misuse("the operation needs a unit of a tenant"))
    }

    pub(crate) fn require_system(&self) -> Result<(), StoreError> {
        if self.scope.is_system() {
            Ok(())
        } else {
            Err(StoreError::Misuse("the operation needs a unit of the system"))
        }
    }

    /// Waits for a statement until the unit's deadline.
    pub(crate) async fn run<T>(&self, statement: impl Future<Output = Result<T, DbErr>>) -> Result<T, StoreError> {
        Ok(self.try_run(statement).await??)
    }

    /// Like [`Unit::run`], for statements whose violation of a key has a meaning.
    pub(crate) async fn try_run<T>(
        &self,
        statement: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<Result<T, StatementError>, StoreError> {
        let outcome = self.store.watch(timeout_at(self.deadline, statement).await)?;
        Ok(outcome.map_err(|error| self.store.note_failure(error).into()))
    }

    /// Returns the first row. The limit is part of the statement's text: see [`crate::pages::lookahead`].
    pub(crate) async fn one<E: EntityTrait>(&self, select: Select<E>) -> Result<Option<E::Model>, StoreError>
    where
        E::Model: Send,
    {
        let mut statement = select.build(self.transaction.get_database_backend());
        statement.sql.push_str(" LIMIT 1");
        let row = self.run(self.transaction.query_one_raw(statement)).await?;
        let model = row.map(|row| E::Model::from_query_result(&row, "")).transpose();
        Ok(model.map_err(StatementError::from)?)
    }

    pub(crate) async fn all<E: EntityTrait>(&self, select: Select<E>) -> Result<Vec<E::Model>, StoreError>
    where
        E::Model: Send,
    {
        self.run(select.all(&self.transaction)).await
    }

    pub(crate) async fn insert<M, A>(&self, row: M) -> Result<Result<(), StatementError>, StoreError>
    where
        M: IntoActiveModel<A>,
        A: ActiveModelTrait + ActiveModelBehavior + Send,
    {
        let insert = Insert::one(row.into_active_model());
        let outcome = self.try_run(insert.exec_without_returning(&self.transaction)).await?;
        Ok(outcome.map(|_| ()))
    }

    pub(crate) fn publish_on_commit(&mut self, change: AuthorityChange) {
        self.authority_changes.push(change);
    }
}

/// Returns the version that a row has after a change.
pub(crate) fn next_version(column: impl ColumnTrait) -> sea_orm::sea_query::Expr {
    use sea_orm::sea_query::ExprTrait;
    sea_orm::sea_query::Expr::col(column).add(1)
}

/// Returns the value with which an update writes a state. A stored state that this program does not know was read as the
/// strictest; it stays unless the update sets another one.
pub(crate) fn state(
    column: impl ColumnTrait,
    new: &'static str,
    strictest: &'static str,
    known: impl IntoIterator<Item = &'static str>,
) -> sea_orm::sea_query::Expr {
    use sea_orm::sea_query::{CaseStatement, Expr};
    if new != strictest {
        return Expr::value(new);
    }
    CaseStatement::new().case(column.is_in(known), Expr::value(new)).finally(Expr::col(column)).into()
}

/// Fails unless the statement changed exactly one row: a policy would otherwise hide a mistake.
pub(crate) fn hit_one(rows: u64, table: &'static str) -> Result<(), StoreError> {
    match rows {
        1 => Ok(()),
        _ => Err(StoreError::Inconsistent { table, column: "(the row to be changed)" }),
    }
}
