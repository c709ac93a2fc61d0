//! Tests of the same request sent several times at once.

use futures::future::join_all;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::BTreeMap;

use super::{ask, make_role};
use crate::support::{Client, Kind, Server, Sql};

/// Number of simultaneous requests.
const AT_ONCE: usize = 100;

/// Checks that there is one effect, and that each response repeats the first or reports a running request.
async fn assert_done_once(clients: &[&Client], sql: &Sql) {
    let asked = (0..AT_ONCE).map(|place| make_role(clients[place % clients.len()], "support", "k"));
    let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
    let mut said = Vec::new();
    for reply in join_all(asked).await {
        *answers.entry(reply.status.as_u16()).or_default() += 1;
        if reply.status == 201 {
            said.push((reply.text.clone(), reply.header("etag").to_owned(), reply.header("location").to_owned()));
        } else {
            reply.refused(409, "idempotency_in_progress");
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "one effect: {answers:?}");
    for (what, query) in [
        ("role", "SELECT count(*) FROM roles WHERE name = 'support'"),
        ("event", "SELECT count(*) FROM journal WHERE action = 'role.created' AND outcome = 'succeeded'"),
        ("answer", "SELECT count(*) FROM answers"),
    ] {
        assert_eq!(sql.number(query).await, 1, "{what}");
    }
    // A client that was told that the request is running asks again.
    let again = make_role(clients[0], "support", "k").await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.text, said[0].0);
}

#[test]
fn a_hundred_at_once_have_one_effect_sqlite() {
    Server::run(Kind::Sqlite, settings!(), async |server| {
        let tenant = server.tenant("acme").await;
        assert_done_once(&[&tenant.owner], &server.sql).await;
    });
}

#[test]
fn a_hundred_at_once_at_two_servers_have_one_effect_postgres() {
    Server::run(Kind::Postgres, settings!(PUBLIC_URL = "http://api.tenantry.test"), async |one| {
        let two = one.peer().await;
        let tenant = one.tenant("acme").await;
        let there = two.client().with_token(tenant.owner.access_token.as_deref().unwrap());
        assert_done_once(&[&tenant.owner, &there], &one.sql).await;
    });
}

/// PostgreSQL only: on SQLite the second request waits for the one writer, and gets the first response.
#[test]
fn while_the_first_runs_the_others_are_told_so_postgres() {
    Server::run(Kind::Postgres, settings!(), async |server| {
        let tenant = server.tenant("acme").await;
        let Sql::Postgres(pool) = &server.sql else { unreachable!("it is PostgreSQL") };
        let mut first: sqlx::Transaction<'_, sqlx::Postgres> = pool.begin().await.unwrap();
        let name = format!("{} {} POST /api/v1/roles k", tenant.id, tenant.owner.id);
        let lock = format!("SELECT pg_advisory_xact_lock(hashtextextended('{name}', 0))");
        let connection: &mut PgConnection = &mut first;
        sqlx::query(AssertSqlSafe(lock)).execute(connection).await.unwrap();
        make_role(&tenant.owner, "support", "k").await.refused(409, "idempotency_in_progress");
        let invitation = json!({ "email": "new@acme.example", "roleIds": [] });
        ask(&tenant.owner, reqwest::Method::POST, "/invitations", Some(invitation), "k")
            .await
            .refused(422, "validation_failed");
        first.rollback().await.unwrap();
        make_role(&tenant.owner, "support", "k").await.is(201);
    });
}
