//! Tests that a row that cannot become an entity is reported by its table and column.

use tenantry_audit::Entries;
use tenantry_identity::{Links, People, Registrations, Sessions};
use tenantry_kernel::{
    Actor, ChangeValue, Event, FieldChange, Journal, Origin, PermissionSet, RequestId, RoleId, StoreError,
};
use tenantry_store::Unit;
use tenantry_tenancy::vocabulary::ROLE_CREATED;
use tenantry_tenancy::{Description, Invitations, Role, RoleName, Roles, Tenants};

use crate::support::{Opened, SYSTEM};

on_both_databases! {
    an_impossible_row_is_told_by_its_table_and_column
}

/// Returns an assignment of `count` bytes to a column.
fn bytes(opened: &Opened, column: &str, count: usize) -> String {
    let hex = "07".repeat(count);
    if opened.is_postgres() { format!("{column} = '\\x{hex}'") } else { format!("{column} = x'{hex}'") }
}

/// Corrupts the rows of a table, asserts that a read reports the table and the column, and repairs them.
async fn assert_told<T: std::fmt::Debug>(
    opened: &Opened,
    (table, column): (&str, &str),
    (bad, good): (&str, &str),
    read: impl AsyncFnOnce(&mut Unit) -> Result<Option<T>, StoreError>,
) {
    opened.execute(&format!("UPDATE {table} SET {bad}")).await;
    let told = read(&mut opened.store.read(SYSTEM).await.unwrap()).await;
    match told {
        Err(StoreError::Inconsistent { table: t, column: c }) => assert_eq!((t, c), (table, column)),
        other => panic!("{table}.{column}: {other:?}"),
    }
    opened.execute(&format!("UPDATE {table} SET {good}")).await;
}

async fn an_impossible_row_is_told_by_its_table_and_column(opened: Opened) {
    let (tenant, person) = opened.tenant().await;
    let session = opened.session(person.id, Some(tenant.id)).await;
    let role = Role {
        id: RoleId::new(&opened.context),
        tenant: tenant.id,
        name: RoleName::parse("Clerk").unwrap(),
        description: Description::default(),
        permissions: PermissionSet::EMPTY,
        undeclared: PermissionSet::EMPTY,
        system: None,
        version: 1,
        created_at: opened.context.now(),
        updated_at: opened.context.now(),
    };
    let origin = Origin { trace: RequestId::new(&opened.context).into(), ip: None, user_agent: None };
    let event = Event::new(&opened.context, &Actor::operator(origin), ROLE_CREATED);
    let (link, registration) = (opened.new_link(&person), opened.new_registration(&person, &tenant));
    let invitation = opened.new_invitation(tenant.id, &person, role.id);
    opened
        .system(async |unit| {
            unit.insert_role(&role).await.unwrap();
            unit.append_event(event.clone()).await.unwrap();
            unit.put_link(&link).await.unwrap();
            unit.insert_registration(&registration).await.unwrap();
            unit.insert_invitation(&invitation).await.unwrap();
        })
        .await;

    let email = format!("email = '{}'", person.email);
    for (column, change) in [("email", ("email = 'nowhere'", email.as_str())), ("name", ("name = ''", "name = 'Ada'"))]
    {
        assert_told(&opened, ("users", column), change, async |unit| unit.person_by_id(person.id).await).await;
    }
    let slug = format!("slug = '{}'", tenant.slug);
    let slug = ("slug = 'No Slug'", slug.as_str());
    assert_told(&opened, ("tenants", "slug"), slug, async |unit| unit.tenant_by_id(tenant.id).await).await;
    for (column, change) in [
        ("rotation", ("rotation = -1", "rotation = 0")),
        ("seen_rotation", ("seen_rotation = 4294967296", "seen_rotation = 0")),
        ("ip", ("ip = 'nowhere'", "ip = NULL")),
    ] {
        assert_told(&opened, ("sessions", column), change, async |unit| unit.session_by_id(session.id).await).await;
    }
    let email = format!("email = '{}'", person.email);
    let email = ("email = 'nowhere'", email.as_str());
    assert_told(&opened, ("links", "email"), email, async |unit| unit.link_by_token(&link.token_hash).await).await;
    let slug = ("tenant_slug = 'No Slug'", "tenant_slug = NULL");
    let tenant_name = ("tenant_name = ''", "tenant_name = 'Acme'");
    let short = (bytes(&opened, "token_hash", 31), bytes(&opened, "token_hash", 32));
    let short = (short.0.as_str(), short.1.as_str());
    for (column, change) in [
        ("email", email),
        ("name", ("name = ''", "name = 'Ada'")),
        ("tenant_name", tenant_name),
        ("tenant_slug", slug),
        ("token_hash", short),
    ] {
        let read = async |unit: &mut Unit| unit.registration_by_id(registration.id).await;
        assert_told(&opened, ("registrations", column), change, read).await;
    }
    for (column, change) in [("email", email), ("token_hash", short)] {
        let read = async |unit: &mut Unit| unit.invitation_by_id(invitation.id).await;
        assert_told(&opened, ("invitations", column), change, read).await;
    }
    // On PostgreSQL not even a System unit may change the journal.
    if !opened.is_postgres() {
        for (table, column, change) in [
            ("journal", "changes", ("changes = '[{}]'", "changes = '[]'")),
            ("journal", "commitment", ("commitment = x'00'", "commitment = zeroblob(32)")),
            ("journal_parts", "part", ("part = '{\"changes\":7}'", "part = '{}'")),
            ("journal_parts", "salt", ("salt = x'00'", "salt = zeroblob(32)")),
        ] {
            assert_told(&opened, (table, column), change, async |unit| unit.entry_by_id(event.id).await).await;
        }
        // A newer program may have written it.
        let changes = r#"[{"field":"height","to":true,"unit":"m"},{"field":"depth","from":{"least":1},"to":[1,"a"]}]"#;
        opened
            .execute(&format!("UPDATE journal SET action = 'pig.flew', actor_type = 'wind', changes = '{changes}'"))
            .await;
        opened.execute(r#"UPDATE journal_parts SET part = '{"actorName":"Ada","shoeSize":38}'"#).await;
        let entry = opened.store.read(SYSTEM).await.unwrap().entry_by_id(event.id).await.unwrap().unwrap();
        assert_eq!((&*entry.action, &*entry.actor_kind), ("pig.flew", "wind"));
        assert_eq!(entry.personal.actor_name.as_deref(), Some("Ada"));
        let text = |text: &str| Some(ChangeValue::Text(text.to_owned()));
        let change = |field: &str, from, to| FieldChange { field: field.to_owned(), from, to };
        let read = [change("height", None, text("true")), change("depth", text(r#"{"least":1}"#), text(r#"[1,"a"]"#))];
        assert_eq!(entry.changes, read, "what a newer program adds is ignored, other values are shown as text");
    }
}
