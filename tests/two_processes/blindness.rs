//! Tests that a server that cannot read changes of authority stops using its cache.

use serde_json::json;
use sqlx::{Connection, PgConnection};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::{Two, status};
use crate::support::{Client, Member, Server, eventually, rounds, within};

/// Maximum time for which authority outlives its end at a server that cannot read the change.
const OUTLIVED: Duration = Duration::from_secs(1);

/// Returns whether a server responds from its cache: `GET /auth/me` then costs no statement.
async fn remembers(server: &Server, client: &Client) -> bool {
    let before = server.app.store.statements();
    client.get("/auth/me").await.is(200);
    server.app.store.statements() == before
}

/// Ends a cached session at one server in every round and waits until it takes effect at the other. Meanwhile both
/// serve a bystander.
async fn ends_take_effect(two: &Two, owner: &Member) {
    for round in 0..rounds(5) {
        let (here, there) = two.in_round(round);
        let victim = there.sign_in(&owner.email, "acme").await;
        victim.get("/auth/me").await.is(200);
        victim.at(here).post("/auth/logout", json!({})).await.is(204);
        within(OUTLIVED, "the session has ended", async || status(&victim, "/auth/me").await == 401).await;
        owner.at(there).get("/auth/me").await.is(200);
    }
}

/// Waits until both servers use their caches again.
async fn both_heal(two: &Two, owner: &Member) {
    for server in &two.0 {
        let owner = owner.at(server);
        eventually("the server uses its cache again", async || remembers(server, &owner).await).await;
    }
}

#[test]
fn se4_a_server_whose_reader_fails_trusts_no_memory() {
    Two::run(async |two| {
        let owner = two.0[0].tenant("acme").await.owner;
        let sql = &two.0[0].sql;
        both_heal(&two, &owner).await;
        // Writes do not name the column and continue; reads fail.
        sql.execute("ALTER TABLE authority_changes RENAME COLUMN xid TO hidden").await;
        eventually("the cache is bypassed", async || !remembers(&two.0[1], &owner.at(&two.0[1])).await).await;
        ends_take_effect(&two, &owner).await;
        sql.execute("ALTER TABLE authority_changes RENAME COLUMN hidden TO xid").await;
        both_heal(&two, &owner).await;
        ends_take_effect(&two, &owner).await;
    });
}

#[test]
fn se4_a_change_while_the_reader_fails_takes_effect_too() {
    Two::run(async |two| {
        let owner = two.0[0].tenant("acme").await.owner;
        for round in 0..rounds(5) {
            let (here, there) = two.in_round(round);
            let victim = there.sign_in(&owner.email, "acme").await;
            both_heal(&two, &owner).await;
            victim.get("/auth/me").await.is(200);
            here.sql.execute("ALTER TABLE authority_changes RENAME COLUMN xid TO hidden").await;
            victim.at(here).post("/auth/logout", json!({})).await.is(204);
            within(OUTLIVED, "the session has ended", async || status(&victim, "/auth/me").await == 401).await;
            here.sql.execute("ALTER TABLE authority_changes RENAME COLUMN hidden TO xid").await;
        }
    });
}

#[test]
fn se4_a_server_whose_reader_hangs_trusts_no_memory() {
    Two::run(async |two| {
        let owner = two.0[0].tenant("acme").await.owner;
        let [one, other] = &two.0;
        for _ in 0..rounds(3) {
            let victims = [one.sign_in(&owner.email, "acme").await, other.sign_in(&owner.email, "acme").await];
            both_heal(&two, &owner).await;
            for victim in &victims {
                victim.get("/auth/me").await.is(200);
            }
            let mut locking = PgConnection::connect(one.place.database_url()).await.unwrap();
            let mut lock = locking.begin().await.unwrap();
            // Changes cannot be announced either, so this one bypasses the announcement.
            let end = "SELECT set_config('app.system', 'on', true); \
                       LOCK TABLE authority_changes IN ACCESS EXCLUSIVE MODE";
            sqlx::raw_sql(end).execute(&mut *lock).await.unwrap();
            for victim in &victims {
                let id = claims_id(victim);
                let end = format!("UPDATE sessions SET ended_at = now(), end_reason = 'revoked' WHERE id = '{id}'");
                one.sql.execute(&end).await;
                let what = "the session has ended";
                within(OUTLIVED, what, async || status(victim, "/auth/me").await == 401).await;
            }
            owner.get("/auth/me").await.is(200);
            lock.rollback().await.unwrap();
        }
        both_heal(&two, &owner).await;
    });
}

#[test]
fn se4_a_reader_that_is_cut_off_again_and_again_misses_nothing() {
    Two::run(async |two| {
        let owner = two.0[0].tenant("acme").await.owner;
        let done = AtomicBool::new(false);
        let cut = async {
            let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                       WHERE application_name = 'tenantry authority feed' AND datname = current_database()";
            let mut times = 0;
            while !done.load(Ordering::Relaxed) {
                times += two.0[0].sql.number(cut).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            times
        };
        let ends = async {
            ends_take_effect(&two, &owner).await;
            done.store(true, Ordering::Relaxed);
        };
        let (times, ()) = futures::future::join(cut, ends).await;
        assert!(times > 5, "the readers were cut off {times} times only");
        both_heal(&two, &owner).await;
    });
}

fn claims_id(member: &Member) -> String {
    let claims = crate::support::claims_of(member.access_token.as_deref().unwrap());
    claims["sid"].as_str().unwrap().to_owned()
}
