//! Stores on temporary databases.

use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::{future::Future, path::PathBuf, time::Duration};
use tenantry_identity::{People, Person, PersonStatus, Session, Sessions};
use tenantry_kernel::{Context, EmailAddress, Name, SessionId, SignInId, StoreError, TenantId, TenantStatus, UserId};
use tenantry_store::{ConnectError, Database, Scope, Store, StoreConfig, Synchronous, SystemReason, Unit};
use tenantry_tenancy::{MemberKeys, Membership, Memberships, Plan, Slug, Tenant, Tenants, insert_default_roles};
use tenantry_testkit::{
    TestScope, Units,
    context::test_context,
    databases::{self, TestDatabase},
    vocabulary,
};
use tokio::time::Instant;

mod waiting;

pub(crate) const SYSTEM: Scope = Scope::System(SystemReason::Maintenance);

/// Time limit for events that are sure to occur.
const PATIENCE: Duration = Duration::from_secs(20);

/// A migrated store on a database of its own.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) config: StoreConfig,
    pub(crate) context: Context,
    // The last field, since dropping it removes the database.
    pub(crate) database: TestDatabase,
}

pub(crate) async fn sqlite() -> Opened {
    opened_at(databases::sqlite_from_template("store", migrate).await).await
}

pub(crate) async fn postgres() -> Opened {
    opened_at(databases::postgres_from_template("store", migrate).await).await
}

async fn migrate(url: &str) -> Result<(), ConnectError> {
    let store = Store::connect(config_of_url(url), vocabulary()).await?;
    store.migrate().await?;
    store.close().await;
    Ok(())
}

async fn opened_at(database: TestDatabase) -> Opened {
    let config = config_of(&database);
    Opened {
        store: Store::connect(config.clone(), vocabulary()).await.unwrap(),
        config,
        context: test_context().0,
        database,
    }
}

/// Returns a configuration with a longer deadline than in production, since tests share the machine.
pub(crate) fn config_of(database: &TestDatabase) -> StoreConfig {
    config_of_url(database.url())
}

pub(crate) fn config_of_url(url: &str) -> StoreConfig {
    let database = match url.strip_prefix("sqlite://") {
        Some(file) => Database::Sqlite(PathBuf::from(file.split('?').next().unwrap())),
        None => Database::Postgres(SecretString::from(url)),
    };
    StoreConfig { database, pool_size: 20, deadline: PATIENCE, synchronous: Synchronous::Normal }
}

impl Opened {
    /// Opens another store on the same database, as another process does.
    pub(crate) async fn again(&self, change: impl FnOnce(&mut StoreConfig)) -> Store {
        let mut config = self.config.clone();
        change(&mut config);
        Store::connect(config, vocabulary()).await.unwrap()
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.config.database, Database::Postgres(_))
    }

    /// Connects to PostgreSQL as the application's role, without any settings.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.database.url()).await.unwrap()
    }

    /// Runs a statement that bypasses the store.
    pub(crate) async fn execute(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        if self.is_postgres() {
            let mut connection = self.connect().await;
            sqlx::raw_sql("SELECT set_config('app.system', 'on', false)").execute(&mut connection).await.unwrap();
            assert!(sqlx::raw_sql(statement).execute(&mut connection).await.unwrap().rows_affected() > 0);
        } else {
            let mut connection = SqliteConnection::connect(self.database.url()).await.unwrap();
            assert!(sqlx::raw_sql(statement).execute(&mut connection).await.unwrap().rows_affected() > 0);
        }
    }

    /// Runs the work in a System unit and commits it.
    pub(crate) async fn system<T>(&self, work: impl AsyncFnOnce(&mut Unit) -> T) -> T {
        let mut unit = self.store.begin(SYSTEM).await.unwrap();
        let done = work(&mut unit).await;
        unit.commit().await.unwrap();
        done
    }

    pub(crate) async fn person(&self) -> Person {
        let id = UserId::new(&self.context);
        let person = Person {
            id,
            email: EmailAddress::parse(&format!("{id}@example.com")).unwrap(),
            email_verified_at: None,
            name: Name::parse("Ada Lovelace").unwrap(),
            status: PersonStatus::Enabled,
            version: 1,
            created_at: self.context.now(),
        };
        self.system(async |unit| unit.insert_person(&person).await.unwrap()).await;
        person
    }

    /// Creates a tenant with its default roles and one member, who is its owner.
    pub(crate) async fn tenant(&self) -> (Tenant, Person) {
        let (id, owner) = (TenantId::new(&self.context), self.person().await);
        let tenant = Tenant {
            id,
            name: Name::parse("Acme, Inc.").unwrap(),
            slug: Slug::parse(&id.to_string()).unwrap(),
            plan: Plan::first(),
            status: TenantStatus::Active,
            version: 1,
            created_at: self.context.now(),
        };
        self.system(async |unit| {
            unit.insert_tenant(&tenant).await.unwrap();
            let role = insert_default_roles(unit, &self.context, id).await.unwrap();
            let membership = self.membership(id, owner.id);
            unit.insert_membership(&membership, &MemberKeys::new("Ada", "ada@example.com")).await.unwrap();
            unit.replace_roles(id, owner.id, &[role.id]).await.unwrap();
        })
        .await;
        (tenant, owner)
    }

    pub(crate) fn membership(&self, tenant: TenantId, user: UserId) -> Membership {
        Membership::new(tenant, user, self.context.now())
    }

    pub(crate) async fn session(&self, user: UserId, tenant: Option<TenantId>) -> Session {
        let now = self.context.now();
        let session = Session {
            id: SessionId::new(&self.context),
            sign_in: SignInId::new(&self.context),
            user,
            tenant,
            key_id: "k1".to_owned(),
            rotation: 0,
            seen_rotation: 0,
            created_at: now,
            rotated_at: now,
            last_used_at: now.to_minute(),
            expires_at: now.plus(Duration::from_secs(86_400)),
            ended: None,
            user_agent: None,
            ip: None,
        };
        self.system(async |unit| unit.insert_session(&session).await.unwrap()).await;
        session
    }
}

impl Units for Opened {
    type Unit = Unit;

    async fn begin(&self, scope: TestScope) -> Unit {
        opened(|| self.store.begin(scope_of(scope))).await
    }

    async fn read(&self, scope: TestScope) -> Unit {
        opened(|| self.store.read(scope_of(scope))).await
    }

    async fn commit(unit: Unit) -> Result<(), StoreError> {
        unit.commit().await.map(|_| ())
    }
}

fn scope_of(scope: TestScope) -> Scope {
    match scope {
        TestScope::Tenant { tenant, person } => Scope::Tenant { tenant, person },
        TestScope::Person(person) => Scope::Person(person),
        TestScope::System => SYSTEM,
    }
}

/// Opens a unit, and waits longer for a connection than a request would: the machine may be busy with other tests.
async fn opened<F: Future<Output = Result<Unit, StoreError>>>(open: impl Fn() -> F) -> Unit {
    let until = Instant::now() + PATIENCE;
    loop {
        match open().await {
            Err(StoreError::Unavailable(_)) if Instant::now() < until => {}
            unit => return unit.unwrap(),
        }
    }
}

/// Retries until the attempt succeeds.
pub(crate) async fn eventually<T, E: std::fmt::Debug>(attempt: impl AsyncFn() -> Result<T, E>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Err(_) if Instant::now() < until => tokio::task::yield_now().await,
            outcome => return outcome.unwrap(),
        }
    }
}
