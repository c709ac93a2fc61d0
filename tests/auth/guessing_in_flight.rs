//! Tests of guesses in flight: only wrong passwords count in the end, and a crowd with right ones waits for its turn.

use futures::future::join_all;
use serde_json::json;
use std::time::{Duration, Instant};

use super::guessing::{WRONG, guess, guess_patiently, guess_wrong, is_slowed};
use crate::support::{Kind, PASSWORD, Server, Settings};

const FROM: &str = "203.0.113.1";
const ELSEWHERE: &str = "203.0.113.2";

/// Marks this many guesses at every counter that counted before, until the counter's window ends.
async fn mark_in_flight(server: &Server, guesses: u32) {
    for number in 0..guesses {
        let guess = server.sql.id(&format!("01890a5d-ac96-774b-bcce-b302099a{number:04}"));
        let sql = "INSERT INTO attempts_in_flight (key, guess, ends_at) SELECT key, GUESS, resets_at FROM attempts";
        server.sql.execute(&sql.replace("GUESS", &guess)).await;
    }
}

async fn in_flight(server: &Server) -> i64 {
    server.sql.number("SELECT count(*) FROM attempts_in_flight").await
}

/// Returns the number of counters that have counted something.
async fn counting(server: &Server) -> i64 {
    server.sql.number("SELECT count(*) FROM attempts WHERE count > 0").await
}

on_both_databases! {
    settings (RATE_LIMITS = "on", TRUSTED_PROXIES = "1");

    async fn si2_right_passwords_at_once_lock_nobody_out(server: Server) {
        let acme = server.tenant("acme").await;
        let (client, email) = (server.client(), acme.owner.email.as_str());
        for reply in join_all((0..24).map(|_| guess_patiently(&client, FROM, email, PASSWORD))).await {
            reply.is(200);
        }
        guess(&client, FROM, email, PASSWORD).await.is(200);
        assert_eq!(in_flight(&server).await, 0);
        assert_eq!(counting(&server).await, 1, "the registration alone counts");
    }

    async fn si2_refused_guesses_count_nowhere(server: Server) {
        let acme = server.tenant("acme").await;
        let (client, email) = (server.client(), acme.owner.email.as_str());
        guess_wrong(&client, 10, FROM, email).await;
        for _ in 0..93 {
            is_slowed(guess(&client, FROM, email, WRONG).await, 15 * 60);
        }
        guess(&client, ELSEWHERE, email, PASSWORD).await.is(200);
        guess_wrong(&client, 1, FROM, "somebody@acme.example").await;
        assert_eq!(in_flight(&server).await, 0);
        assert_eq!(server.sql.number("SELECT max(count) FROM attempts").await, 11, "ten and the one of another account");
    }

    async fn si2_guesses_in_flight_are_waited_for_briefly(server: Server) {
        let acme = server.tenant("acme").await;
        let (client, email) = (server.client(), acme.owner.email.as_str());
        guess_wrong(&client, 1, FROM, email).await;
        mark_in_flight(&server, 8).await;
        let others = in_flight(&server).await;
        guess(&client, FROM, email, PASSWORD).await.is(200);
        assert_eq!(in_flight(&server).await, others, "other guesses stay in flight");

        guess_wrong(&client, 1, FROM, email).await;
        let began = Instant::now();
        is_slowed(guess(&client, FROM, email, PASSWORD).await, 1);
        assert!(began.elapsed() >= Duration::from_millis(1_900), "{:?}", began.elapsed());
        guess(&client, ELSEWHERE, email, PASSWORD).await.is(200);

        let waiting = guess(&client, FROM, email, PASSWORD);
        let ending = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            // What a killed process left behind ends by itself.
            server.sql.execute("UPDATE attempts_in_flight SET ends_at = (SELECT min(created_at) FROM users)").await;
        };
        futures::join!(waiting, ending).0.is(200);
        guess_wrong(&client, 8, FROM, email).await;
        is_slowed(guess(&client, FROM, email, PASSWORD).await, 15 * 60);
    }

    async fn si2_a_right_password_that_leads_nowhere_counts_nowhere(server: Server) {
        let acme = server.tenant("acme").await;
        let client = server.client();
        server.sql.execute("UPDATE tenants SET status = 'suspended'").await;
        let body = json!({ "email": acme.owner.email, "password": PASSWORD, "tenantSlug": "acme" });
        for _ in 0..12 {
            client.post("/auth/login", body.clone()).await.refused(403, "tenant_suspended");
        }
        assert_eq!(in_flight(&server).await, 0);
        assert_eq!(counting(&server).await, 1, "the registration alone counts");
    }
}

/// The defaults, by which a hash takes its time and requests are limited too.
fn as_installed() -> Settings {
    settings!(RATE_LIMITS = "on", RATE_LIMIT_PER_MINUTE = "300", ARGON2_MEMORY_KIB = "19456", ARGON2_ITERATIONS = "2")
}

/// Two hundred people arrive at nine in the morning, behind one address.
async fn crowd(server: Server) {
    let acme = server.tenant("acme").await;
    let email = |number: u32| format!("person-{number}@acme.example");
    for number in 0..200 {
        let id = server.sql.id(&format!("01890a5d-ac96-774b-bcce-b302099a{number:04}"));
        let (email, of) = (email(number), server.sql.id(&acme.owner.id));
        let person = format!(
            "INSERT INTO users (id, email, name, status, version, created_at) \
             SELECT {id}, '{email}', name, status, version, created_at FROM users WHERE id = {of}; \
             INSERT INTO credentials (user_id, hash, version, changed_at) \
             SELECT {id}, hash, version, changed_at FROM credentials WHERE user_id = {of}"
        );
        server.sql.execute(&person).await;
    }
    let client = server.client();
    let began = Instant::now();
    let sign_ins = (0..200).map(|number| {
        let (client, email) = (&client, email(number));
        async move { guess_patiently(client, FROM, &email, PASSWORD).await }
    });
    for reply in join_all(sign_ins).await {
        reply.is(200);
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(in_flight(&server).await, 0);
    guess_patiently(&client, FROM, &acme.owner.email, WRONG).await.refused(401, "invalid_credentials");
}

#[test]
fn si2_a_crowd_behind_one_address_signs_in_sqlite() {
    Server::run(Kind::Sqlite, as_installed(), crowd);
}

#[test]
fn si2_a_crowd_behind_one_address_signs_in_postgres() {
    Server::run(Kind::Postgres, as_installed(), crowd);
}
