//! Tests of what PostgreSQL prepares and plans on a connection: few texts, and no hot statement planned at every
//! execution.

use sea_orm::ConnectionTrait;
use std::time::Duration;
use tenantry_audit::{Entries, EntryFilter};
use tenantry_files::{FileFilter, FileOrder, Files};
use tenantry_identity::{CredentialStore, People, Session, Sessions};
use tenantry_jobs::{JobAdmin, JobFilter};
use tenantry_kernel::{
    Actor, Authorities, Context, Direction, Event, Journal, Origin, PageRequest, PermissionSet, RequestId, RoleId,
    SessionId, SignInId, TenantId, UserId,
};
use tenantry_tenancy::{
    Description, Invitations, MemberFilter, MemberOrder, Memberships, Role, RoleName, Roles, vocabulary::ROLE_CREATED,
};
use tenantry_testkit::{
    context::test_context,
    databases::{TestDatabase, postgres_from_template},
    vocabulary,
};
use uuid::Uuid;

use crate::{ConnectError, Database, Scope, Store, StoreConfig, Synchronous, SystemReason, Unit};

const SIGN_IN: Scope = Scope::System(SystemReason::SignIn);
/// So many plans for the values PostgreSQL tries before it may keep one for all values.
const TRIED_PLANS: i64 = 5;

/// Fills the tenant `$tenant` with members, and with as many rows of everything that a list shows.
const FILL: &[&str] = &[
    "INSERT INTO tenants (id, name, slug, plan, status, version, created_at)
     VALUES ($tenant, 'Acme', 't' || $first, 'starter', 'active', 1, now())",
    "INSERT INTO users (id, email, name, status, version, created_at)
     SELECT $user, 'u' || n || '@example.com', 'Ada', 'enabled', 1, now() FROM generate_series($first, $last) n",
    "INSERT INTO credentials (user_id, hash, version, changed_at)
     SELECT $user, 'none', 1, now() FROM generate_series($first, $last) n",
    "INSERT INTO memberships (tenant_id, user_id, status, version, joined_at, name_key, email_key)
     SELECT $tenant, $user, 'active', 1, now() - n * interval '1 second', 'ada', 'u' || n
     FROM generate_series($first, $last) n",
    "INSERT INTO roles (tenant_id, id, name, name_key, description, permissions, version, created_at, updated_at)
     SELECT $tenant, $user, 'r' || n, 'r' || n, '', '', 1, now(), now() FROM generate_series($first, $last) n",
    "INSERT INTO membership_roles (tenant_id, user_id, role_id)
     SELECT $tenant, $user, $user FROM generate_series($first, $last) n",
    "INSERT INTO invitations (tenant_id, id, email, state, invited_by, expires_at, created_at)
     SELECT $tenant, $user, 'i' || n || '@example.com', 'open', $user, now(), now()
     FROM generate_series($first, $last) n",
    "INSERT INTO invitation_roles (tenant_id, invitation_id, role_id)
     SELECT $tenant, $user, $user FROM generate_series($first, $last) n",
    "INSERT INTO files (tenant_id, id, name, name_key, content_type, bytes, sha256, uploaded_by, created_at)
     SELECT $tenant, $user, 'f', 'f', 'text/csv', 1, decode(repeat('00', 32), 'hex'), $user, now()
     FROM generate_series($first, $last) n",
    "INSERT INTO jobs (id, tenant_id, queue, kind, version, payload, priority, run_at, state, attempt, max_attempts,
                       created_at)
     SELECT $user, $tenant, 'q', 'k', 1, '{}', 0, now(), 'ready', 0, 5, now() FROM generate_series($first, $last) n",
    "INSERT INTO journal (id, version, tenant_id, occurred_at, action, action_group, outcome, actor_type, actor_id,
                          changes, request_id, count, commitment)
     SELECT $user, 1, $tenant, now(), 'role.created', 'role', 'succeeded', 'user', $user, '[]', $user, 1,
            decode(repeat('00', 32), 'hex') FROM generate_series($first, $last) n",
    "INSERT INTO journal_parts (event_id, tenant_id, actor_id, salt, part)
     SELECT $user, $tenant, $user, decode(repeat('00', 32), 'hex'), '{}' FROM generate_series($first, $last) n",
];

/// A store with one connection. A tenant of 30 members lives beside one of 3,000, so that PostgreSQL expects more rows
/// of an unknown tenant than there are.
struct Planned {
    store: Store,
    context: Context,
    tenant: TenantId,
    user: UserId,
    _database: TestDatabase,
}

fn id(number: i64) -> Uuid {
    let Ok(number) = u128::try_from(number) else { panic!("a number of a row") };
    Uuid::from_u128((0x7000_8000 << 64) | number)
}

fn config(url: &str) -> StoreConfig {
    StoreConfig {
        database: Database::Postgres(url.into()),
        pool_size: 1,
        deadline: Duration::from_secs(20),
        synchronous: Synchronous::Normal,
    }
}

async fn migrate(url: &str) -> Result<(), ConnectError> {
    let store = Store::connect(config(url), vocabulary()).await?;
    store.migrate().await?;
    store.close().await;
    Ok(())
}

async fn fill(unit: &Unit, first: i64, last: i64) {
    let literal = |number: i64| format!("'{}'::uuid", id(number));
    let user = "('00000000-7000-8000-0000-' || lpad(to_hex(n), 12, '0'))::uuid";
    for sql in FILL {
        let sql = sql.replace("$tenant", &literal(first)).replace("$user", user);
        let sql = sql.replace("$first", &first.to_string()).replace("$last", &last.to_string());
        unit.transaction.execute_unprepared(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

impl Planned {
    async fn new() -> Self {
        let database = postgres_from_template("planning", migrate).await;
        let store = Store::connect(config(database.url()), vocabulary()).await.unwrap();
        let unit = store.begin(SIGN_IN).await.unwrap();
        fill(&unit, 1, 3_000).await;
        fill(&unit, 5_001, 5_030).await;
        unit.transaction.execute_unprepared("ANALYZE").await.unwrap();
        unit.commit().await.unwrap();
        Self {
            store,
            context: test_context().0,
            tenant: TenantId::from_uuid(id(5_001)),
            user: UserId::from_uuid(id(5_001)),
            _database: database,
        }
    }

    fn scope(&self) -> Scope {
        Scope::Tenant { tenant: self.tenant, person: self.user }
    }

    /// Reads every list without filters, with what it shows beside its rows.
    async fn read_lists(&self, limit: u32) {
        let direction = Direction::Descending;
        let mut unit = self.store.read_with_one_plan(self.scope()).await.unwrap();
        let page = PageRequest { limit, after: None, direction };
        let members = unit.page_memberships(&MemberFilter::default(), MemberOrder::JoinedAt, page).await.unwrap().items;
        let ids: Vec<UserId> = members.iter().map(|(member, _)| member.user).collect();
        assert_eq!(unit.members_by_ids(&ids).await.unwrap().len(), limit as usize);
        let page = PageRequest { limit, after: None, direction };
        let roles: Vec<RoleId> = unit.page_roles(page).await.unwrap().items.iter().map(|role| role.id).collect();
        assert_eq!(unit.count_holders(&roles).await.unwrap().len(), limit as usize);
        let page = PageRequest { limit, after: None, direction };
        assert_eq!(unit.page_invitations(page).await.unwrap().items.len(), limit as usize);
        let page = PageRequest { limit, after: None, direction };
        let files = unit.page_files(&FileFilter::default(), FileOrder::CreatedAt, page).await.unwrap().items;
        let uploaders: Vec<UserId> = files.iter().map(|file| file.uploaded_by).collect();
        assert_eq!(unit.people_by_ids(&uploaders).await.unwrap().len(), limit as usize);
        let page = PageRequest { limit, after: None, direction };
        assert_eq!(unit.page_jobs(&JobFilter::default(), page).await.unwrap().items.len(), limit as usize);
        let page = PageRequest { limit, after: None, direction };
        assert_eq!(unit.page_entries(&EntryFilter::default(), page).await.unwrap().items.len(), limit as usize);
    }

    fn session(&self) -> Session {
        let now = self.context.now();
        Session {
            id: SessionId::new(&self.context),
            sign_in: SignInId::new(&self.context),
            user: self.user,
            tenant: Some(self.tenant),
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
        }
    }

    fn event(&self) -> Event {
        let actor =
            Actor::anonymous(Origin { trace: RequestId::new(&self.context).into(), ip: None, user_agent: None });
        Event::new(&self.context, &actor.within(Some(self.tenant)), ROLE_CREATED)
    }

    async fn sign_in(&self) -> Session {
        let mut unit = self.store.begin(SIGN_IN).await.unwrap();
        let person = unit.lock_person(self.user).await.unwrap().unwrap();
        unit.person_by_email(&person.email).await.unwrap().unwrap();
        unit.credential_of(person.id).await.unwrap().unwrap();
        assert_eq!(unit.tenants_of(person.id).await.unwrap().len(), 1);
        unit.lock_membership(self.tenant, person.id).await.unwrap().unwrap();
        unit.running_sessions_of(person.id, self.context.now()).await.unwrap();
        let session = self.session();
        unit.insert_session(&session).await.unwrap();
        unit.append_event(self.event()).await.unwrap();
        unit.commit().await.unwrap();
        session
    }

    async fn refresh(&self, session: &Session) {
        let now = self.context.now();
        let idle_since = now.minus(Duration::from_secs(3_600));
        let mut unit = self.store.begin(Scope::System(SystemReason::Token)).await.unwrap();
        assert!(unit.rotate_session(session.id, 0, idle_since, now).await.unwrap().is_some());
        unit.commit().await.unwrap();
    }

    async fn create_role(&self, session: &Session, number: usize) {
        let mut unit = self.store.begin(self.scope()).await.unwrap();
        unit.lock_tenant(self.tenant).await.unwrap();
        assert!(unit.authority_of(session.id, self.context.now()).await.unwrap().is_some());
        let now = self.context.now();
        let role = Role {
            id: RoleId::new(&self.context),
            tenant: self.tenant,
            name: RoleName::parse(&format!("clerk {number}")).unwrap(),
            description: Description::parse("").unwrap(),
            permissions: PermissionSet::EMPTY,
            undeclared: PermissionSet::EMPTY,
            system: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        unit.insert_role(&role).await.unwrap();
        unit.append_event(self.event()).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Returns the statements that the connection has prepared, with the number of plans for any values and for the
    /// values of one execution.
    async fn prepared(&self) -> Vec<(String, i64, i64)> {
        let unit = self.store.read(SIGN_IN).await.unwrap();
        let prepared = unit.sql("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements", []);
        let rows = unit.transaction.query_all_raw(prepared).await.unwrap();
        let column = |row: &sea_orm::QueryResult, name| row.try_get::<i64>("", name).unwrap();
        let statement = |row: &sea_orm::QueryResult| row.try_get::<String>("", "statement").unwrap();
        let all = rows.iter().map(|row| (statement(row), column(row, "generic_plans"), column(row, "custom_plans")));
        all.filter(|(statement, ..)| !statement.contains("pg_prepared_statements")).collect()
    }
}

#[tokio::test]
async fn pages_of_any_length_have_the_same_statements() {
    let planned = Planned::new().await;
    planned.read_lists(3).await;
    let of_three = planned.prepared().await.len();
    for limit in 3..=20 {
        planned.read_lists(limit).await;
    }
    assert_eq!(planned.prepared().await.len(), of_three, "{:#?}", planned.prepared().await);
}

#[tokio::test]
async fn no_list_is_planned_at_every_execution() {
    let planned = Planned::new().await;
    for _ in 0..12 {
        planned.read_lists(3).await;
        planned.read_lists(20).await;
    }
    let prepared = planned.prepared().await;
    assert!(prepared.len() >= 10, "{prepared:#?}");
    for (statement, generic, custom) in prepared {
        assert_eq!((generic, custom), (24, 0), "{statement}");
    }
}

#[tokio::test]
async fn no_sign_in_refresh_or_change_is_planned_at_every_execution() {
    let planned = Planned::new().await;
    for number in 0..12 {
        let session = planned.sign_in().await;
        planned.refresh(&session).await;
        planned.create_role(&session, number).await;
    }
    let prepared = planned.prepared().await;
    assert!(prepared.len() >= 10, "{prepared:#?}");
    for (statement, generic, custom) in prepared {
        assert!(custom <= TRIED_PLANS && generic >= 7, "{generic} for any values, {custom} for one: {statement}");
    }
}
