//! Tests of two servers on one PostgreSQL, each with its own caches; they act like two processes.

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{Client, Kind, Member, Server, Tenant, eventually, rounds, within};

mod blindness;
mod redis;

/// Maximum time until a change at one server takes effect at another.
const PROPAGATED: Duration = Duration::from_millis(250);

/// Two servers that accept each other's tokens.
struct Two([Server; 2]);

impl Two {
    fn run<F: Future<Output = ()>>(test: impl FnOnce(Self) -> F) {
        Server::run(Kind::Postgres, settings!(PUBLIC_URL = "http://api.tenantry.test"), async |one| {
            let two = one.peer().await;
            test(Self([one, two])).await;
        });
    }

    /// Returns the servers, in swapped order in every other round.
    fn in_round(&self, round: u32) -> (&Server, &Server) {
        let [one, two] = &self.0;
        if round.is_multiple_of(2) { (one, two) } else { (two, one) }
    }
}

impl Member {
    /// Returns the same user with the same token at that server.
    fn at(&self, server: &Server) -> Self {
        let client = server.client().with_token(self.access_token.as_deref().unwrap());
        Self { client, ..self.clone() }
    }
}

/// Times after which changes took effect.
#[derive(Default)]
struct Propagation {
    times: u32,
    latest: Duration,
}

impl Propagation {
    async fn within(&mut self, what: &str, is_so: impl AsyncFn() -> bool) {
        self.within_limit(PROPAGATED, what, is_so).await;
    }

    async fn within_limit(&mut self, limit: Duration, what: &str, is_so: impl AsyncFn() -> bool) {
        self.latest = self.latest.max(within(limit, what, is_so).await);
        self.times += 1;
    }
}

impl Drop for Propagation {
    /// Prints the promised figure.
    #[expect(clippy::print_stdout, reason = "the test runner prints standard output")]
    fn drop(&mut self) {
        println!("took effect {} times, after {:?} at the latest", self.times, self.latest);
    }
}

/// Returns the status of a response to the client.
async fn status(client: &Client, path: &str) -> StatusCode {
    client.get(path).await.status
}

async fn role_id(tenant: &Tenant, name: &str) -> Value {
    let roles = tenant.owner.get("/roles").await.is(200);
    roles.as_array().unwrap().iter().find(|role| role["name"] == name).unwrap()["id"].clone()
}

#[test]
fn se1_fifty_at_once_at_two_processes_get_one_successor() {
    Two::run(async |two| {
        let [one, other] = &two.0;
        let owner = one.tenant("acme").await.owner;
        let clients = [one.client(), other.client()];
        let mut token = owner.refresh_token.clone();
        for round in 1..=rounds(20) {
            let body = json!({ "refreshToken": token });
            let refreshes = (0..50).map(|number| clients[number % 2].post("/auth/refresh", body.clone()));
            let answers: Vec<Value> = join_all(refreshes).await.into_iter().map(|reply| reply.is(200)).collect();
            let successor = answers[0]["refreshToken"].as_str().unwrap();
            assert_ne!(successor, token);
            assert!(answers.iter().all(|data| data["refreshToken"] == successor), "two successors in round {round}");
            token = successor.to_owned();
            let (here, _) = two.in_round(round);
            let latest = here.client().with_token(answers[49]["accessToken"].as_str().unwrap());
            latest.get("/auth/me").await.is(200);
            let live = "SELECT rotation FROM sessions WHERE ended_at IS NULL";
            assert_eq!(one.sql.number(live).await, i64::from(round));
        }
        assert_eq!(one.sql.number("SELECT count(*) FROM sessions").await, 1);
        let noted = "SELECT count(*) FROM journal WHERE action IN ('session.replayed', 'session.ended')";
        assert_eq!(one.sql.number(noted).await, 0);
    });
}

#[test]
fn se2_a_successor_seen_at_one_process_makes_a_replay_at_the_other() {
    Server::run(
        Kind::Postgres,
        settings!(PUBLIC_URL = "http://api.tenantry.test", REFRESH_GRACE = "0s"),
        async |one| {
            let two = one.peer().await;
            let owner = one.tenant("acme").await.owner;
            owner.at(&two).get("/auth/me").await.is(200);
            let body = json!({ "refreshToken": owner.refresh_token });
            let lost = one.client().post("/auth/refresh", body.clone()).await.is(200);
            let again = two.client().post("/auth/refresh", body.clone()).await.is(200);
            assert_eq!(again["refreshToken"], lost["refreshToken"]);
            let latest = again["accessToken"].as_str().unwrap();
            two.client().with_token(latest).get("/auth/me").await.is(200);
            let seen = "SELECT count(*) FROM sessions WHERE seen_rotation = 1";
            eventually("the rotation is marked as seen", async || one.sql.number(seen).await == 1).await;
            one.client().post("/auth/refresh", body).await.refused(401, "session_ended");
            let client = two.client().with_token(latest);
            within(PROPAGATED, "the session has ended", async || status(&client, "/auth/me").await == 401).await;
        },
    );
}

#[test]
fn se4_a_demotion_takes_effect_at_the_other_process() {
    Two::run(async |two| {
        let acme = two.0[0].tenant("acme").await;
        let bob = two.0[0].member(&acme, "admin").await;
        let path = format!("/users/{}/roles", bob.id);
        let (admin, viewer) = (role_id(&acme, "admin").await, role_id(&acme, "viewer").await);
        let mut propagation = Propagation::default();
        for round in 0..rounds(10) {
            let (here, there) = two.in_round(round);
            let (owner, bob) = (acme.owner.at(here), bob.at(there));
            bob.get("/audit-logs").await.is(200);
            owner.put(&path, json!({ "roleIds": [viewer] })).await.is(200);
            propagation.within("the right is gone", async || status(&bob, "/audit-logs").await == 403).await;
            owner.put(&path, json!({ "roleIds": [admin] })).await.is(200);
            propagation.within("the right is back", async || status(&bob, "/audit-logs").await == 200).await;
        }
    });
}

#[test]
fn se4_a_deactivation_takes_effect_at_the_other_process() {
    Two::run(async |two| {
        let acme = two.0[0].tenant("acme").await;
        let admin = two.0[0].member(&acme, "admin").await;
        let bob = two.0[0].member(&acme, "member").await;
        let path = format!("/users/{}", bob.id);
        let mut propagation = Propagation::default();
        for round in 0..rounds(10) {
            let (here, there) = two.in_round(round);
            let (admin, bob) = (admin.at(here), there.sign_in(&bob.email, "acme").await);
            bob.get("/tenant").await.is(200);
            admin.patch(&path, json!({ "status": "deactivated" })).await.is(200);
            propagation.within("the session has ended", async || status(&bob, "/tenant").await == 401).await;
            admin.patch(&path, json!({ "status": "active" })).await.is(200);
            bob.get("/tenant").await.refused(401, "session_ended");
        }
    });
}

#[test]
fn se4_an_ended_session_ends_at_the_other_process_too() {
    Two::run(async |two| {
        let owner = two.0[0].tenant("acme").await.owner;
        let mut propagation = Propagation::default();
        for round in 0..rounds(10) {
            let (here, there) = two.in_round(round);
            let victim = there.sign_in(&owner.email, "acme").await;
            let path = format!("/auth/sessions/{}", victim.session_id().await);
            owner.at(here).delete(&path).await.is(204);
            propagation.within("the session has ended", async || status(&victim, "/auth/me").await == 401).await;
            let body = json!({ "refreshToken": victim.refresh_token });
            there.client().post("/auth/refresh", body).await.refused(401, "session_ended");
        }
    });
}
