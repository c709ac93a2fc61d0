//! Tests that response times reveal nothing.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use std::time::{Duration, Instant};
use tenantry_crypto::{Argon2Parameters, Argon2Pool};
use tenantry_identity::{Password, PasswordHasher};

use crate::support::{PASSWORD, Server, rounds};

const WRONG: &str = "wrong-wrong-wrong";
/// Maximum difference between known and unknown, as a share of the time of one hash.
const MOST: f64 = 0.05;
/// On a busy machine one measurement can be wrong; a real difference shows in each.
const MEASUREMENTS: usize = 3;
/// Number of rounds that are not counted.
const WARM_UP: u32 = 3;
/// Longer than the work that goes on after a response without a job.
const REST: Duration = Duration::from_millis(3);

/// Times of the same four requests, repeated: known, unknown, and both once more, to measure the noise.
#[derive(Default)]
struct Times([Vec<Duration>; 4]);

impl Times {
    fn medians(&self) -> [Duration; 4] {
        [0, 1, 2, 3].map(|series| median(&self.0[series]))
    }

    /// Returns the difference between known and unknown.
    fn difference(&self) -> Duration {
        let [known, unknown] = [0, 1].map(|kind| median(&[&*self.0[kind], &*self.0[kind + 2]].concat()));
        known.abs_diff(unknown)
    }

    /// Returns the difference between equal requests.
    fn chance(&self) -> Duration {
        let [known, unknown, known_again, unknown_again] = self.medians();
        known.abs_diff(known_again).max(unknown.abs_diff(unknown_again))
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

/// Returns the time of one hash on this machine.
async fn one_hash() -> Duration {
    let pool = Argon2Pool::new(Argon2Parameters::default(), 1, 1).unwrap();
    let mut times = Vec::new();
    for _ in 0..15 {
        let password = Password::parse(PASSWORD.to_owned().into()).unwrap();
        let began = Instant::now();
        pool.hash(password).await.unwrap();
        times.push(began.elapsed());
    }
    median(&times)
}

/// Waits until no background work runs; known addresses cause more of it than unknown ones.
async fn settled(server: &Server) {
    let open = "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running')";
    while server.sql.number(open).await > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(REST).await;
}

/// Sends the four requests in another order in each round.
async fn measure(server: &Server, status: u16, ask: &impl Fn(bool) -> RequestBuilder) -> Times {
    let mut times = Times::default();
    for round in 0..rounds(40) + WARM_UP {
        let random = server.app.context.random::<4>();
        let mut order = [0, 1, 2, 3];
        order.sort_by_key(|series| random[*series]);
        for series in order {
            let request = ask(series % 2 == 0);
            settled(server).await;
            let began = Instant::now();
            let answer = request.send().await.unwrap();
            let answered = answer.status();
            answer.bytes().await.unwrap();
            let took = began.elapsed();
            assert_eq!(answered, status);
            if round >= WARM_UP {
                times.0[series].push(took);
            }
        }
    }
    times
}

/// Fails when every measurement distinguishes known from unknown.
#[expect(clippy::print_stdout, reason = "the figures of a run with more rounds")]
async fn assert_same_time(server: &Server, what: &str, status: u16, ask: impl Fn(bool) -> RequestBuilder) {
    let mut told = Vec::new();
    for _ in 0..MEASUREMENTS {
        let hash = one_hash().await;
        let times = measure(server, status, &ask).await;
        let (difference, chance) = (times.difference(), times.chance());
        let [known, unknown, known_again, unknown_again] = times.medians();
        let figures = format!(
            "SI1 {what}: known {known:.2?} and {known_again:.2?}, unknown {unknown:.2?} and {unknown_again:.2?}; they \
             differ by {difference:.2?}, the same by {chance:.2?}; a hash takes {hash:.2?}"
        );
        println!("{figures}");
        if difference <= hash.mul_f64(MOST).max(chance) {
            return;
        }
        told.push(figures);
    }
    panic!("the response time reveals the account: {told:#?}");
}

on_both_databases! {
    // Limits are on, as in production, and so wide that they admit everything.
    settings (
        PUBLIC_URL = "http://api.tenantry.test", ARGON2_MEMORY_KIB = "19456", ARGON2_ITERATIONS = "2",
        RATE_LIMITS = "on", GUESS_PER_ACCOUNT_AND_ADDRESS = "90000/1h", GUESS_PER_ADDRESS = "90000/1h",
        GUESS_PER_ACCOUNT = "90000/1h", REGISTRATIONS_PER_ADDRESS = "90000/1h", MAILS_PER_RECIPIENT = "90000/1h",
        MAIL_REQUESTS_PER_ADDRESS = "90000/1h"
    );

    async fn si1_known_and_unknown_addresses_take_the_same_time(server: Server) {
        let proved = server.verified_tenant("acme").await.owner;
        let unproved = server.tenant("evil").await.owner;
        let server = server.restart(settings!(REGISTRATION = "verified")).await;
        let (client, unknown) = (server.client(), proved.email.replace("owner", "other"));
        let email = |is_known: bool| if is_known { proved.email.as_str() } else { unknown.as_str() };
        let post = |path: &str, body| client.raw(Method::POST, path).json(&body);

        let login = |known| post("/auth/login", json!({ "email": email(known), "password": WRONG }));
        assert_same_time(&server, "login", 401, login).await;
        let forgot = |known| post("/auth/password/forgot", json!({ "email": email(known) }));
        assert_same_time(&server, "forgot", 202, forgot).await;
        let clients = [&proved, &unproved].map(|member| client.with_token(member.access_token.as_deref().unwrap()));
        let resend = |known: bool| clients[usize::from(!known)].raw(Method::POST, "/auth/email/resend");
        assert_same_time(&server, "resend (verified or not)", 202, resend).await;
        let register = |known| {
            let body = json!({ "email": email(known), "password": PASSWORD, "name": "Ada", "tenantName": "Engines" });
            post("/auth/register", body)
        };
        assert_same_time(&server, "register (verified)", 202, register).await;
    }
}
