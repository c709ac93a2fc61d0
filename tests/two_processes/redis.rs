//! Tests of two servers with a shared Redis: changes take effect sooner, and both share the counts.

use serde_json::json;
use std::time::Duration;
use tenantry_testkit::redis::RedisServer;

use super::{Propagation, Two, role_id, status};
use crate::support::{Kind, Server, Settings, eventually, rounds, within};

/// Maximum time until a change takes effect when messages speed it up.
const HURRIED: Duration = Duration::from_millis(100);
/// Maximum time until a count of another process is visible, even without messages.
const COUNTED: Duration = Duration::from_millis(1100);

fn run<F: Future<Output = ()>>(test: impl FnOnce(Two, RedisServer) -> F) {
    let redis = RedisServer::start();
    let settings = Settings::default().set("PUBLIC_URL", "http://api.tenantry.test").set("REDIS_URL", &redis.url());
    Server::run(Kind::Postgres, settings, async |one| {
        let two = one.peer().await;
        let channels = "PUBSUB NUMSUB tenantry:authority";
        eventually("both listen", async || redis.ask(channels).trim_end().ends_with(":2")).await;
        test(Two([one, two]), redis).await;
    });
}

#[test]
fn se4_a_role_change_takes_effect_at_the_other_process_within_100_ms_with_redis() {
    run(async |two, _redis| {
        let acme = two.0[0].tenant("acme").await;
        let bob = two.0[0].member(&acme, "admin").await;
        let path = format!("/users/{}/roles", bob.id);
        let (admin, viewer) = (role_id(&acme, "admin").await, role_id(&acme, "viewer").await);
        let mut propagation = Propagation::default();
        for round in 0..rounds(20) {
            let (here, there) = two.in_round(round);
            let (owner, bob) = (acme.owner.at(here), bob.at(there));
            bob.get("/audit-logs").await.is(200);
            owner.put(&path, json!({ "roleIds": [viewer] })).await.is(200);
            propagation
                .within_limit(HURRIED, "the right is gone", async || status(&bob, "/audit-logs").await == 403)
                .await;
            owner.put(&path, json!({ "roleIds": [admin] })).await.is(200);
            propagation
                .within_limit(HURRIED, "the right is back", async || status(&bob, "/audit-logs").await == 200)
                .await;
        }
    });
}

#[test]
fn fa3_counts_are_right_at_once_here_and_soon_there_whatever_becomes_of_redis() {
    run(async |two, redis| {
        let acme = two.0[0].tenant("acme").await;
        let bob = two.0[0].member(&acme, "viewer").await;
        let path = format!("/users/{}/roles", bob.id);
        let (admin, viewer) = (role_id(&acme, "admin").await, role_id(&acme, "viewer").await);
        let viewers = async |server: &Server| {
            let roles = acme.owner.at(server).get("/roles").await.is(200);
            let role = roles.as_array().unwrap().iter().find(|role| role["id"] == viewer).unwrap().clone();
            role["memberCount"].as_u64().unwrap()
        };
        for round in 0..rounds(6) {
            // Healthy, frozen, and resumed with its data.
            match round % 3 {
                1 => redis.freeze(),
                2 => redis.thaw(),
                _ => {}
            }
            let (here, there) = two.in_round(round);
            assert_eq!((viewers(here).await, viewers(there).await), (1, 1), "round {round}");
            acme.owner.at(here).put(&path, json!({ "roleIds": [admin] })).await.is(200);
            assert_eq!(viewers(here).await, 0, "round {round}: one's own change");
            within(COUNTED, "the other process counts again", async || viewers(there).await == 0).await;
            acme.owner.at(here).put(&path, json!({ "roleIds": [viewer] })).await.is(200);
            assert_eq!(viewers(here).await, 1, "round {round}: one's own change");
            within(COUNTED, "the other process counts again", async || viewers(there).await == 1).await;
        }
        redis.thaw();
    });
}
