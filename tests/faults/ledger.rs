//! Compares the responses that the load received with the whole stored state.

use reqwest::Method;
use serde_json::Value;
use std::collections::HashMap;
use tenantry_kernel::PersonalPart;
use tenantry_testkit::ledger::{Discrepancies, RequestOutcome};

use super::load::{Books, Home};
use crate::support::Sql;

/// Queries of the stored items of each kind, as "tenant canary".
const FOUND: &[(&str, &str)] = &[
    (
        "tenant",
        "SELECT t.slug || ' ' || u.name FROM tenants t JOIN memberships m ON m.tenant_id = t.id
        JOIN users u ON u.id = m.user_id",
    ),
    (
        "role",
        "SELECT t.slug || ' ' || r.description FROM roles r JOIN tenants t ON t.id = r.tenant_id
        WHERE r.system IS NULL",
    ),
    (
        "name",
        "SELECT t.slug || ' ' || r.name FROM roles r JOIN tenants t ON t.id = r.tenant_id
        WHERE r.system IS NULL AND r.name <> r.description",
    ),
    ("file", "SELECT t.slug || ' ' || replace(f.name, '.csv', '') FROM files f JOIN tenants t ON t.id = f.tenant_id"),
    (
        "holding",
        "SELECT t.slug || ' ' || r.description FROM membership_roles h
        JOIN tenants t ON t.id = h.tenant_id
        JOIN roles r ON r.tenant_id = h.tenant_id AND r.id = h.role_id WHERE r.system IS NULL",
    ),
    (
        "session",
        "SELECT t.slug || ' ' || s.user_agent FROM sessions s JOIN tenants t ON t.id = s.tenant_id
        WHERE s.user_agent <> t.slug",
    ),
    (
        "ended",
        "SELECT t.slug || ' ' || s.user_agent FROM sessions s JOIN tenants t ON t.id = s.tenant_id
        WHERE s.ended_at IS NOT NULL AND s.end_reason = 'logged_out'",
    ),
];

/// The journal entries that one acknowledged change of each kind writes, in alphabetical order.
const EVENTS: &[(&str, &[&str])] = &[
    ("tenant", &["membership.created", "session.started", "tenant.created", "user.registered"]),
    ("role", &["role.created"]),
    ("name", &["role.updated"]),
    ("file", &["file.uploaded"]),
    ("holding", &["membership.roles_changed"]),
    ("session", &["session.started"]),
    ("ended", &["session.ended"]),
];

/// Queries that count partially committed units.
const PARTIAL: &[(&str, &str)] = &[
    (
        "a tenant without its four roles",
        "SELECT count(*) FROM tenants t WHERE
        (SELECT count(*) FROM roles r WHERE r.tenant_id = t.id AND r.system IS NOT NULL) <> 4",
    ),
    (
        "a tenant without an owner",
        "SELECT count(*) FROM tenants t WHERE NOT EXISTS
        (SELECT 1 FROM membership_roles h JOIN roles r ON r.tenant_id = h.tenant_id AND r.id = h.role_id
         JOIN memberships m ON m.tenant_id = h.tenant_id AND m.user_id = h.user_id
         WHERE h.tenant_id = t.id AND r.system = 'owner' AND m.status = 'active')",
    ),
    (
        "a person without a password",
        "SELECT count(*) FROM users u WHERE NOT EXISTS
        (SELECT 1 FROM credentials c WHERE c.user_id = u.id)",
    ),
    (
        "a person in no tenant",
        "SELECT count(*) FROM users u WHERE NOT EXISTS
        (SELECT 1 FROM memberships m WHERE m.user_id = u.id)",
    ),
    (
        "an event without its personal part",
        "SELECT count(*) FROM journal j WHERE NOT EXISTS
        (SELECT 1 FROM journal_parts p WHERE p.event_id = j.id)",
    ),
    (
        "a personal part without its event",
        "SELECT count(*) FROM journal_parts p WHERE NOT EXISTS
        (SELECT 1 FROM journal j WHERE j.id = p.event_id)",
    ),
    (
        "a tenant without its event",
        "SELECT count(*) FROM tenants t WHERE (SELECT count(*) FROM journal j
        WHERE j.target_id = t.id AND j.action = 'tenant.created' AND j.outcome = 'succeeded') <> 1",
    ),
    (
        "a role without its event",
        "SELECT count(*) FROM roles r WHERE r.system IS NULL AND
        (SELECT count(*) FROM journal j WHERE j.tenant_id = r.tenant_id AND j.target_id = r.id
         AND j.action = 'role.created' AND j.outcome = 'succeeded') <> 1",
    ),
    (
        "a change of a role without its event",
        "SELECT count(*) FROM roles r WHERE
        (SELECT count(*) FROM journal j WHERE j.tenant_id = r.tenant_id AND j.target_id = r.id
         AND j.action = 'role.updated' AND j.outcome = 'succeeded') <> r.version - 1",
    ),
    (
        "an event of a role that is not there",
        "SELECT count(*) FROM journal j WHERE j.target_type = 'role'
        AND j.outcome = 'succeeded' AND NOT EXISTS
        (SELECT 1 FROM roles r WHERE r.tenant_id = j.tenant_id AND r.id = j.target_id)",
    ),
    (
        "a file without its event",
        "SELECT count(*) FROM files f WHERE (SELECT count(*) FROM journal j
        WHERE j.tenant_id = f.tenant_id AND j.target_id = f.id AND j.action = 'file.uploaded') <> 1",
    ),
    (
        "a tenant whose storage is not what its files take",
        "SELECT count(*) FROM tenants t WHERE
        coalesce((SELECT u.bytes FROM storage_usage u WHERE u.tenant_id = t.id), 0) <>
        coalesce((SELECT sum(f.bytes) FROM files f WHERE f.tenant_id = t.id), 0)",
    ),
    (
        "a change of a membership without its event",
        "SELECT count(*) FROM memberships m WHERE
        (SELECT count(*) FROM journal j WHERE j.tenant_id = m.tenant_id AND j.target_id = m.user_id
         AND j.action = 'membership.roles_changed' AND j.outcome = 'succeeded') <> m.version - 1",
    ),
    (
        "a membership whose roles are not those of its changes",
        "SELECT count(*) FROM memberships m WHERE
        (SELECT count(*) FROM membership_roles h WHERE h.tenant_id = m.tenant_id AND h.user_id = m.user_id)
        <> m.version",
    ),
    (
        "a session without its event",
        "SELECT count(*) FROM sessions s WHERE (SELECT count(*) FROM journal j
        WHERE j.target_id = s.id AND j.action = 'session.started' AND j.outcome = 'succeeded') <> 1",
    ),
    (
        "an end of a session without its event, or the other way round",
        "SELECT count(*) FROM sessions s WHERE
        (SELECT count(*) FROM journal j WHERE j.target_id = s.id AND j.action = 'session.ended')
        <> (CASE WHEN s.ended_at IS NULL THEN 0 ELSE 1 END)",
    ),
    (
        "an event of a session that is not there",
        "SELECT count(*) FROM journal j WHERE j.target_type = 'session'
        AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.id = j.target_id)",
    ),
];

/// Checks that no change was lost, invented, duplicated, leaked or half done.
pub(super) async fn assert_clean(books: &Books, sql: &Sql) {
    for (what, query) in FOUND {
        let found = sql.texts(query).await;
        assert_eq!(
            books.ledger.compare(what, found.iter().map(|pair| split(pair))),
            Discrepancies::default(),
            "{what} by SQL"
        );
        let done = books.lines(RequestOutcome::Acknowledged).iter().any(|line| line.what == *what);
        assert!(done, "the load made no {what}");
    }
    assert_eq!(books.ledger.compare("role", roles_by_api(books).await), Discrepancies::default(), "roles by the API");
    assert_eq!(books.ledger.compare("file", files_by_api(books).await), Discrepancies::default(), "files by the API");
    assert_eq!(*books.misdeeds.read().unwrap(), [""; 0]);
    for (what, query) in PARTIAL {
        assert_eq!(sql.number(query).await, 0, "{what}");
    }
    assert_journal_tells_it(books, sql).await;
    assert_commitments_hold(sql).await;
    if let Sql::Sqlite(_) = sql {
        assert_eq!(sql.texts("PRAGMA integrity_check").await, ["ok"]);
        assert_eq!(sql.texts("SELECT \"table\" FROM pragma_foreign_key_check").await, [""; 0]);
    }
}

/// Checks that each role requested with an idempotency key exists, and was created once.
pub(super) async fn assert_done_once(books: &Books, sql: &Sql) {
    let (_, query) = FOUND.iter().find(|(what, _)| *what == "role").unwrap();
    let found = sql.texts(query).await;
    assert_eq!(books.ledger.compare("role", found.iter().map(|pair| split(pair))), Discrepancies::default());
    let asked = books.lines(RequestOutcome::Acknowledged).iter().filter(|line| line.what == "role").count();
    assert_eq!(found.len(), asked, "every client repeated its request until it got an answer");
    for (what, query) in PARTIAL {
        assert_eq!(sql.number(query).await, 0, "{what}");
    }
    let answers = "SELECT count(*) FROM answers";
    assert_eq!(usize::try_from(sql.number(answers).await).unwrap(), asked, "each change left its answer");
    assert_eq!(*books.misdeeds.read().unwrap(), [""; 0]);
}

#[expect(clippy::print_stdout, reason = "the figure of a run with more rounds")]
pub(super) fn report_replays(replays: usize) {
    println!("FA2: {replays} answers were lost with a killed server and given again");
}

/// Prints how the requests ended, in one line, to show that requests took place.
#[expect(clippy::print_stdout, reason = "the figures of a run with more rounds")]
pub(super) fn report(test: &str, books: &Books) {
    let count = |outcome| books.ledger.count(outcome);
    println!(
        "{test}: {} acknowledged, {} refused, {} failed, {} taken and not answered",
        count(RequestOutcome::Acknowledged),
        count(RequestOutcome::Refused),
        count(RequestOutcome::Failed),
        books.unanswered.read().unwrap().len()
    );
}

fn split(pair: &str) -> (String, String) {
    let (tenant, canary) = pair.split_once(' ').unwrap();
    (tenant.to_owned(), canary.to_owned())
}

/// Returns the roles that each tenant sees with its own token.
async fn roles_by_api(books: &Books) -> Vec<(String, String)> {
    let homes = books.homes.read().unwrap().clone();
    let mut found = Vec::new();
    for home in homes {
        let me = read(books, &home, "/auth/me").await;
        assert_eq!(me["data"]["tenant"]["slug"], home.slug);
        let roles = read(books, &home, "/roles?limit=100").await;
        assert_eq!(roles["meta"]["nextCursor"], Value::Null, "one page holds them");
        let custom = roles["data"].as_array().unwrap().iter().filter(|role| role["system"] == false);
        found.extend(custom.map(|role| (home.slug.clone(), role["description"].as_str().unwrap().to_owned())));
    }
    found
}

/// Returns the files that each tenant sees, and checks that each has its bytes.
async fn files_by_api(books: &Books) -> Vec<(String, String)> {
    let homes = books.homes.read().unwrap().clone();
    let mut found = Vec::new();
    for home in homes {
        let files = read(books, &home, "/files?limit=100").await;
        assert_eq!(files["meta"]["nextCursor"], Value::Null, "one page holds them");
        for file in files["data"].as_array().unwrap() {
            let path = format!("/files/{}/download", file["id"].as_str().unwrap());
            read(books, &home, &path).await;
            let name = file["name"].as_str().unwrap().strip_suffix(".csv").unwrap();
            found.push((home.slug.clone(), name.to_owned()));
        }
    }
    found
}

async fn read(books: &Books, home: &Home, path: &str) -> Value {
    let answer = books.call(home.call(Method::GET, path, Value::Null)).await.expect("the server answers");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

/// Checks that each acknowledged change has exactly its own entries, and that each refused one has no entry of a
/// success.
async fn assert_journal_tells_it(books: &Books, sql: &Sql) {
    let request_id = match sql {
        Sql::Sqlite(_) => "lower(hex(request_id))",
        Sql::Postgres(_) => "replace(request_id::text, '-', '')",
    };
    let query =
        format!("SELECT {request_id} || ' ' || action FROM journal WHERE outcome = 'succeeded' ORDER BY action");
    let mut entries: HashMap<String, Vec<String>> = HashMap::new();
    for (request, action) in sql.texts(&query).await.iter().map(|pair| split(pair)) {
        entries.entry(request).or_default().push(action);
    }
    let mut left_by = |receipt: &str| entries.remove(&receipt.replace('-', "")).unwrap_or_default();
    for line in books.lines(RequestOutcome::Acknowledged) {
        let (_, expected) = EVENTS.iter().find(|(what, _)| *what == line.what).unwrap();
        assert_eq!(left_by(&line.receipt), *expected, "{line:?}");
    }
    for line in books.lines(RequestOutcome::Refused) {
        assert_eq!(left_by(&line.receipt), [""; 0], "{line:?}");
    }
}

/// Checks that the stored personal data matches the commitment of each entry.
async fn assert_commitments_hold(sql: &Sql) {
    let query = "SELECT j.commitment, p.salt, p.part FROM journal j JOIN journal_parts p ON p.event_id = j.id";
    let entries: Vec<(Vec<u8>, Vec<u8>, String)> = match sql {
        Sql::Sqlite(pool) => sqlx::query_as(query).fetch_all(pool).await.unwrap(),
        Sql::Postgres(pool) => sqlx::query_as(query).fetch_all(pool).await.unwrap(),
    };
    for (commitment, salt, part) in entries {
        let part: PersonalPart = serde_json::from_str(&part).unwrap();
        assert_eq!(part.commitment(&salt.try_into().unwrap()).unwrap(), *commitment, "{part:?}");
    }
}
