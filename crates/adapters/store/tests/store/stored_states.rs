//! Tests of states that only a newer program knows: they are read as the strictest, and an update does not lose them.

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use std::fmt::Debug;
use tenantry_audit::Entries;
use tenantry_files::{File, FileId, FileName, FileType, Files};
use tenantry_identity::{Link, Links, People, Person, PersonStatus, Session, Sessions};
use tenantry_jobs::{JobAdmin, JobId, JobQueue};
use tenantry_kernel::{
    Actor, Authorities, DefaultRole, Event, EventId, Journal, Name, RequestId, RoleId, TenantStatus,
};
use tenantry_store::Unit;
use tenantry_tenancy::vocabulary::ROLE_CREATED;
use tenantry_tenancy::{InvitationId, Invitations, MembershipStatus, Memberships, Roles, Tenant, Tenants};

use crate::support::{Opened, SYSTEM, postgres};

on_both_databases! {
    a_state_that_only_a_newer_program_knows_is_read_as_the_strictest
}

/// Every column that holds a state, the assignments that restore it, and how a state named `newer` is read.
const STATES: [(&str, &str, &str, &str); 11] = [
    ("tenants", "status", "status = 'active'", "Suspended, authority Some(Suspended)"),
    ("tenants", "plan", "plan = 'starter'", "starter"),
    ("users", "status", "status = 'enabled'", "Disabled, authority None"),
    ("memberships", "status", "status = 'active'", "Deactivated, authority None"),
    ("roles", "system", "system = 'viewer'", "Some(Viewer) [] [\"newer\"]"),
    ("sessions", "end_reason", "end_reason = NULL, ended_at = NULL", "Some(Revoked), authority None"),
    ("links", "kind", "kind = 'reset'", "None"),
    ("invitations", "state", "state = 'open'", "Revoked"),
    ("jobs", "state", "state = 'ready'", "Running"),
    ("files", "content_type", "content_type = 'image/png'", "Other"),
    ("journal", "outcome", "outcome = 'succeeded'", "Failed"),
];

/// A row of each table.
struct Rows {
    tenant: Tenant,
    person: Person,
    session: Session,
    viewer: RoleId,
    link: Link,
    invitation: InvitationId,
    job: JobId,
    file: FileId,
    event: EventId,
}

impl Rows {
    async fn insert(opened: &Opened) -> Self {
        let (tenant, person) = opened.tenant().await;
        let session = opened.session(person.id, Some(tenant.id)).await;
        let (link, job) = (opened.new_link(&person), opened.new_job(Some(tenant.id)));
        let file = File {
            id: FileId::new(&opened.context),
            tenant: tenant.id,
            name: FileName::parse("plan.png").unwrap(),
            kind: FileType::Png,
            bytes: 1,
            sha256: [7; 32],
            uploaded_by: person.id,
            created_at: opened.context.now(),
        };
        let actor = Actor::system(RequestId::new(&opened.context));
        let event = Event::new(&opened.context, &actor, ROLE_CREATED).within(Some(tenant.id));
        opened
            .system(async |unit| {
                let viewer = unit.default_role(tenant.id, DefaultRole::Viewer).await.unwrap().unwrap();
                let invitation = opened.new_invitation(tenant.id, &person, viewer.id);
                unit.put_link(&link).await.unwrap();
                unit.insert_invitation(&invitation).await.unwrap();
                unit.enqueue_job(&job).await.unwrap();
                unit.insert_file(&file).await.unwrap();
                unit.append_event(event.clone()).await.unwrap();
                let (viewer, invitation) = (viewer.id, invitation.id);
                let (job, file, event) = (job.id, file.id, event.id);
                Self { tenant, person, session, viewer, link, invitation, job, file, event }
            })
            .await
    }

    /// Reads the row of a table, and for rows that a session depends on also what the session may do.
    async fn read(&self, opened: &Opened, unit: &mut Unit, table: &str, column: &str) -> String {
        let authority = unit.authority_of(self.session.id, opened.context.now()).await.unwrap();
        let with = |state: &dyn Debug, power: &dyn Debug| format!("{state:?}, authority {power:?}");
        let power = authority.map(|authority| authority.tenant.unwrap().status);
        match (table, column) {
            ("tenants", "status") => with(&unit.tenant_by_id(self.tenant.id).await.unwrap().unwrap().status, &power),
            ("tenants", _) => unit.tenant_by_id(self.tenant.id).await.unwrap().unwrap().plan.name.to_owned(),
            ("users", _) => with(&unit.person_by_id(self.person.id).await.unwrap().unwrap().status, &power),
            ("memberships", _) => {
                let membership = unit.membership_in(self.tenant.id, self.person.id).await.unwrap();
                with(&membership.unwrap().status, &power)
            }
            ("roles", _) => {
                let role = unit.role_by_id(self.viewer).await.unwrap().unwrap();
                let names = |set| Roles::vocabulary(unit).names(set);
                format!("{:?} {:?} {:?}", role.system, names(&role.permissions), names(&role.undeclared))
            }
            ("sessions", _) => {
                let session = unit.session_by_id(self.session.id).await.unwrap().unwrap();
                with(&session.ended.map(|(_, reason)| reason), &power)
            }
            ("links", _) => format!("{:?}", unit.link_by_token(&self.link.token_hash).await.unwrap()),
            ("invitations", _) => {
                format!("{:?}", unit.invitation_by_id(self.invitation).await.unwrap().unwrap().state)
            }
            ("jobs", _) => format!("{:?}", unit.job_by_id(self.job).await.unwrap().unwrap().state),
            ("files", _) => format!("{:?}", unit.file_by_id(self.file).await.unwrap().unwrap().kind),
            ("journal", _) => format!("{:?}", unit.entry_by_id(self.event).await.unwrap().unwrap().outcome),
            (table, column) => panic!("{table}.{column} is not read"),
        }
    }
}

/// Changes rows in ways that only the schema of a newer program allows.
async fn execute(opened: &Opened, sql: &str) {
    let done = if opened.is_postgres() {
        let mut connection = opened.connect().await;
        let loosen = "SELECT set_config('app.system', 'on', false); \
            ALTER TABLE journal DISABLE ROW LEVEL SECURITY; \
            DO $$ DECLARE c record; BEGIN FOR c IN SELECT conname, conrelid::regclass AS of FROM pg_constraint \
                WHERE contype = 'c' AND connamespace = 'public'::regnamespace \
            LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.of, c.conname); END LOOP; END $$";
        sqlx::raw_sql(loosen).execute(&mut connection).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap().rows_affected()
    } else {
        let mut connection = SqliteConnection::connect(opened.database.url()).await.unwrap();
        sqlx::raw_sql("PRAGMA ignore_check_constraints = ON").execute(&mut connection).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap().rows_affected()
    };
    assert!(done > 0, "{sql}");
}

async fn a_state_that_only_a_newer_program_knows_is_read_as_the_strictest(opened: Opened) {
    let rows = Rows::insert(&opened).await;
    for (table, column, restored, expected) in STATES {
        let ends = if column == "end_reason" { ", ended_at = created_at" } else { "" };
        let of = if table == "roles" { "WHERE system = 'viewer'" } else { "" };
        execute(&opened, &format!("UPDATE {table} SET {column} = 'newer'{ends} {of}")).await;
        let mut unit = opened.store.read(SYSTEM).await.unwrap();
        assert_eq!(rows.read(&opened, &mut unit, table, column).await, expected, "{table}.{column}");
        drop(unit);
        execute(&opened, &format!("UPDATE {table} SET {restored} WHERE {column} = 'newer'")).await;
    }
}

#[tokio::test]
async fn every_column_with_a_list_of_states_is_among_them() {
    let opened = postgres().await;
    let listed: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.conrelid::regclass::text, a.attname::text FROM pg_constraint c \
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
         WHERE c.contype = 'c' AND cardinality(c.conkey) = 1 AND pg_get_constraintdef(c.oid) LIKE '%ARRAY[%'",
    )
    .fetch_all(&mut opened.connect().await)
    .await
    .unwrap();
    assert!(listed.len() >= 8, "{listed:?}");
    for (table, column) in listed {
        assert!(STATES.iter().any(|state| (state.0, state.1) == (&*table, &*column)), "{table}.{column}");
    }
}

/// Programs run beside each other on PostgreSQL only.
#[tokio::test]
async fn an_update_keeps_a_state_that_only_a_newer_program_knows() {
    let opened = postgres().await;
    let (tenant, person) = opened.tenant().await;
    execute(&opened, "UPDATE tenants SET status = 'newer', plan = 'newer'").await;
    execute(&opened, "UPDATE users SET status = 'newer'").await;
    execute(&opened, "UPDATE memberships SET status = 'newer'").await;
    let name = Name::parse("Globex").unwrap();
    opened
        .system(async |unit| {
            let tenant = unit.tenant_by_id(tenant.id).await.unwrap().unwrap();
            unit.update_tenant(&Tenant { name: name.clone(), ..tenant }).await.unwrap();
            let read = unit.person_by_id(person.id).await.unwrap().unwrap();
            unit.update_person(&Person { name: name.clone(), ..read }).await.unwrap();
            let membership = unit.membership_in(tenant.id, person.id).await.unwrap().unwrap();
            unit.update_membership(&membership).await.unwrap();
        })
        .await;
    for kept in ["tenants WHERE status = 'newer' AND plan = 'newer'", "users WHERE status = 'newer'"] {
        let (table, condition) = kept.split_once(' ').unwrap();
        execute(&opened, &format!("UPDATE {table} SET version = version {condition} AND name = 'Globex'")).await;
    }
    execute(&opened, "UPDATE memberships SET version = version WHERE status = 'newer'").await;

    opened
        .system(async |unit| {
            let tenant = unit.tenant_by_id(tenant.id).await.unwrap().unwrap();
            unit.update_tenant(&Tenant { status: TenantStatus::Active, ..tenant.clone() }).await.unwrap();
            let tenant = unit.tenant_by_id(tenant.id).await.unwrap().unwrap();
            assert_eq!(tenant.status, TenantStatus::Active);
            unit.update_tenant(&Tenant { status: TenantStatus::Suspended, ..tenant }).await.unwrap();
            let read = unit.person_by_id(person.id).await.unwrap().unwrap();
            unit.update_person(&Person { status: PersonStatus::Enabled, ..read }).await.unwrap();
            let mut membership = unit.membership_in(tenant.id, person.id).await.unwrap().unwrap();
            membership.status = MembershipStatus::Active;
            unit.update_membership(&membership).await.unwrap();
        })
        .await;
    execute(&opened, "UPDATE tenants SET version = version WHERE status = 'suspended' AND plan = 'newer'").await;
    execute(&opened, "UPDATE users SET version = version WHERE status = 'enabled'").await;
    execute(&opened, "UPDATE memberships SET version = version WHERE status = 'active'").await;
}
