//! Rows for the tests of row-level security.

use sqlx::AssertSqlSafe;
use std::{collections::BTreeMap, time::Duration};
use tenantry_audit::{AuditPolicies, AuditPolicy, Chain, SealSigner, Signature, seal_next_segment};
use tenantry_files::{File, FileId, FileName, FileType, Files};
use tenantry_idempotency::{
    Fingerprint, IdempotencyKey, IdempotencyRecord, IdempotencyScope, IdempotencyStore, StoredResponse,
};
use tenantry_identity::{
    Attempts, Credential, CredentialStore, GuessCounter, GuessId, GuessQuota, Links, PasswordHash, Registrations,
};
use tenantry_jobs::{JobQueue, Schedules};
use tenantry_kernel::{
    Actor, Authorities, DefaultRole, Event, Journal, Origin, RequestId, TenantId, Timestamp, UserId,
};
use tenantry_limits::{ProcessId, Processes};
use tenantry_store::Unit;
use tenantry_tenancy::vocabulary::ROLE_CREATED;
use tenantry_tenancy::{Invitations, Roles};

use super::{number, set_scope};
use crate::support::Opened;

/// Creates a tenant and a row of it in every table; in some tables also a row without a tenant.
pub(super) async fn fill(opened: &Opened) -> (TenantId, UserId) {
    let (tenant, person) = opened.tenant().await;
    opened.session(person.id, Some(tenant.id)).await;
    opened.session(person.id, None).await;
    let origin = Origin { trace: RequestId::new(&opened.context).into(), ip: None, user_agent: None };
    let actor = Actor::anonymous(origin).known_as(person.id, "Ada");
    let now = opened.context.now();
    let (link, registration) = (opened.new_link(&person), opened.new_registration(&person, &tenant));
    let quota = GuessQuota { limit: 1, window: Duration::from_secs(60) };
    opened
        .system(async |unit| {
            let hash = PasswordHash::new("$argon2id$");
            let credential = Credential { user: person.id, hash, version: 1, changed_at: now };
            unit.insert_credential(&credential).await.unwrap();
            unit.insert_registration(&registration).await.unwrap();
            unit.put_link(&link).await.unwrap();
            let role = unit.default_role(tenant.id, DefaultRole::Viewer).await.unwrap().unwrap();
            let invitation = opened.new_invitation(tenant.id, &person, role.id);
            unit.insert_invitation(&invitation).await.unwrap();
            for owner in [Some(tenant.id), None] {
                let event = Event::new(&opened.context, &actor.within(owner), ROLE_CREATED);
                unit.append_event(event).await.unwrap();
                unit.enqueue_job(&opened.new_job(owner)).await.unwrap();
            }
            seal_and_keep(opened, unit, tenant.id).await;
            unit.put_schedule("nightly", "0 3 * * *", now).await.unwrap();
            unit.insert_tick("nightly", now, now).await.unwrap();
            unit.consume_attempts(&[GuessCounter { key: opened.context.random(), quota }], now).await.unwrap();
            unit.begin_guess(&[opened.context.random()], GuessId::new(&opened.context), now).await.unwrap();
            unit.remember_source(opened.context.random(), opened.context.random(), now).await.unwrap();
            unit.tenant_authority_changed(tenant.id).await.unwrap();
            unit.note_process(ProcessId::new(&opened.context), now).await.unwrap();
            for tenant in [Some(tenant.id), None] {
                let (keyed, answer) = answer(tenant, person.id, now);
                unit.store_response(&keyed, &answer).await.unwrap();
            }
            let file = File {
                id: FileId::new(&opened.context),
                tenant: tenant.id,
                name: FileName::parse("plan.pdf").unwrap(),
                kind: FileType::Pdf,
                bytes: 1,
                sha256: [7; 32],
                uploaded_by: person.id,
                created_at: now,
            };
            unit.insert_file(&file).await.unwrap();
            assert!(unit.take_storage(tenant.id, 1, 1).await.unwrap());
        })
        .await;
    insert_plain_rows(opened, tenant.id, person.id).await;
    (tenant.id, person.id)
}

/// Inserts a row of the tenant into each table that has none yet: a value by the type of each required column.
async fn insert_plain_rows(opened: &Opened, tenant: TenantId, person: UserId) {
    let mut connection = opened.connect().await;
    set_scope(&mut connection, "", "", "on").await;
    let columns: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), EXISTS (
            SELECT FROM pg_constraint WHERE conrelid = c.oid AND confrelid = 'users'::regclass AND a.attnum = ANY (conkey))
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attnotnull
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT a.atthasdef AND a.attidentity = ''",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut rows = BTreeMap::<String, Vec<(String, String)>>::new();
    for (table, column, kind, is_person) in columns {
        let value = match (column.as_str(), kind.as_str()) {
            ("tenant_id", _) => format!("'{tenant}'"),
            _ if is_person => format!("'{person}'"),
            (_, "uuid") => "gen_random_uuid()".to_owned(),
            (_, "text") => "'x'".to_owned(),
            (_, "bytea") => "'x'::bytea".to_owned(),
            (_, "timestamp with time zone") => "now()".to_owned(),
            (_, "boolean") => "true".to_owned(),
            _ => "1".to_owned(),
        };
        rows.entry(table).or_default().push((column, value));
    }
    rows.retain(|_, row| row.iter().any(|(column, _)| column == "tenant_id"));
    for (table, row) in rows {
        if number(&mut connection, format!("SELECT count(*) FROM {table} WHERE tenant_id = '{tenant}'")).await > 0 {
            continue;
        }
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let insert = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", "));
        let inserted = sqlx::raw_sql(AssertSqlSafe(insert.clone())).execute(&mut connection).await;
        inserted.unwrap_or_else(|error| panic!("insert a row by its port in `fill`: {insert}: {error}"));
    }
}

fn answer(tenant: Option<TenantId>, person: UserId, now: Timestamp) -> (IdempotencyScope, IdempotencyRecord) {
    let key = IdempotencyKey::parse(b"k").unwrap();
    let answer = IdempotencyRecord {
        secret_id: "k1".to_owned(),
        fingerprint: Fingerprint::from_bytes([0; 32]),
        response: StoredResponse { status: 204, headers: vec![], body: vec![] },
        answered_at: now,
    };
    (IdempotencyScope { tenant, person, route: "POST /errands".to_owned(), key }, answer)
}

/// Creates a segment of the tenant's log, an unsealed entry, and a policy.
async fn seal_and_keep(opened: &Opened, unit: &mut Unit, tenant: TenantId) {
    let actor = Actor::system(RequestId::new(&opened.context));
    seal_next_segment(unit, &actor, &opened.context, &NoKey, Chain(Some(tenant))).await.unwrap().unwrap();
    let event = Event::new(&opened.context, &actor.within(Some(tenant)), ROLE_CREATED);
    unit.append_event(event).await.unwrap();
    let policy = AuditPolicy { retention_days: Some(400), legal_hold: false };
    unit.put_audit_policy(tenant, policy).await.unwrap();
}

/// A signer whose signatures are never verified.
struct NoKey;

impl SealSigner for NoKey {
    fn key_id(&self) -> &str {
        "none"
    }

    fn sign(&self, _: &[u8]) -> Signature {
        Signature([0; 64])
    }
}
