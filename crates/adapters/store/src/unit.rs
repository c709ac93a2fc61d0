//! One open transaction with its scope and deadline: the type that implements every port.

use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbBackend,
    DbErr, EntityTrait, Insert, IntoActiveModel, QueryFilter, Select, Statement, Value,
};
use std::future::Future;
use tenantry_kernel::{StoreError, TenantId, UserId, Vocabulary};
use tokio::time::{Instant, timeout_at};

use crate::{AuthorityChange, Scope, Store, failure::StatementError, postgres::REFUSE_STANDBY};

/// One open transaction. Dropping it rolls back uncommitted changes.
pub struct Unit {
    pub(crate) transaction: DatabaseTransaction,
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
    pub(crate) fn new(transaction: DatabaseTransaction, scope: Scope, deadline: Instant, store: Store) -> Self {
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
        self.store.count_statement();
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
        self.store.count_statement();
        let rolled_back = timeout_at(self.deadline, self.transaction.rollback()).await;
        Ok(self.store.watch(rolled_back)?.map_err(|error| StatementError::from(self.store.note_failure(error)))?)
    }

    /// Passes the scope to PostgreSQL, for its policies, and fails on a standby. The settings end with the transaction.
    pub(crate) async fn apply_session_scope(&self) -> Result<(), StoreError> {
        if !self.is_postgres() {
            return Ok(());
        }
        let text = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        let system = if self.scope.is_system() { "on" } else { "" };
        let set = "set_config('app.tenant', $1, true), set_config('app.person', $2, true), set_config('app.system', $3, true)";
        let statement = self.sql(
            &format!("SELECT {set}, {REFUSE_STANDBY}"),
            [
                text(self.scope.tenant().map(TenantId::uuid)).into(),
                text(self.scope.person().map(|person| person.uuid())).into(),
                system.into(),
            ],
        );
        self.run(self.transaction.query_one_raw(statement)).await?;
        Ok(())
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

    pub(crate) async fn one<E: EntityTrait>(&self, select: Select<E>) -> Result<Option<E::Model>, StoreError>
    where
        E::Model: Send,
    {
        self.run(select.one(&self.transaction)).await
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
