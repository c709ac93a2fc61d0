//! Tests that guessing is slowed down without locking the owner out.

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::support::{CHOSEN, Client, PASSWORD, Reply, Wire, eventually};

pub(super) const WRONG: &str = "wrong-wrong-wrong";

/// Tries a password, forwarded by the trusted proxy from that address.
pub(super) async fn guess(client: &Client, from: &str, email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    client.send(Method::POST, "/auth/login", Some(body), &[("x-forwarded-for", from)]).await
}

pub(super) async fn guess_wrong(client: &Client, times: u32, from: &str, email: &str) {
    for _ in 0..times {
        guess(client, from, email, WRONG).await.refused(401, "invalid_credentials");
    }
}

/// Checks that the attempt exceeds the limit, and that the wait is at most this long.
pub(super) fn is_slowed(reply: Reply, seconds: u64) {
    let wait: u64 = reply.header("retry-after").parse().unwrap_or_default();
    assert!((1..=seconds).contains(&wait), "{wait}");
    reply.refused(429, "rate_limited");
}

/// Tries a password as often as the server says that another attempt may succeed within two seconds.
pub(super) async fn guess_patiently(client: &Client, from: &str, email: &str, password: &str) -> Reply {
    loop {
        let reply = guess(client, from, email, password).await;
        let wait = match reply.status.as_u16() {
            429 | 503 => reply.header("retry-after").parse().unwrap_or(u64::MAX),
            _ => return reply,
        };
        assert!((1..=2).contains(&wait), "{} asks for {wait} s: {}", reply.status, reply.text);
        tokio::time::sleep(Duration::from_secs(wait)).await;
    }
}

const QUARTER: u64 = 15 * 60;
const HOUR: u64 = 60 * 60;

on_both_databases! {
    settings (RATE_LIMITS = "on", TRUSTED_PROXIES = "1");

    async fn si2_ten_guesses_at_an_account_from_an_address(server: Server) {
        let acme = server.tenant("acme").await;
        let client = server.client();
        for email in [acme.owner.email.as_str(), "nobody@acme.example"] {
            guess_wrong(&client, 10, "203.0.113.1", email).await;
            is_slowed(guess(&client, "203.0.113.1", email, WRONG).await, QUARTER);
            is_slowed(guess(&client, "198.51.100.1, 203.0.113.1", &email.to_uppercase(), WRONG).await, QUARTER);
            guess_wrong(&client, 1, "203.0.113.2", email).await;
        }
        is_slowed(guess(&client, "203.0.113.1", &acme.owner.email, PASSWORD).await, QUARTER);
        guess(&client, "203.0.113.2", &acme.owner.email, PASSWORD).await.is(200);
        guess_wrong(&client, 1, "203.0.113.1", "somebody.else@acme.example").await;
    }

    async fn si2_a_known_and_an_unknown_account_are_slowed_alike(server: Server) {
        let acme = server.tenant("acme").await;
        let client = server.client();
        let mut answers = Vec::new();
        for email in [acme.owner.email.as_str(), "nobody@acme.example"] {
            guess_wrong(&client, 10, "203.0.113.1", email).await;
            let reply = guess(&client, "203.0.113.1", email, WRONG).await;
            let names: BTreeSet<String> = reply.headers.keys().map(|name| name.to_string()).collect();
            answers.push((reply.status, names, reply.body["error"].clone()));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, 429);
    }

    async fn si2_a_right_password_uses_up_nothing(server: Server) {
        let acme = server.tenant("acme").await;
        let (client, email) = (server.client(), acme.owner.email.as_str());
        guess_wrong(&client, 9, "203.0.113.1", email).await;
        for _ in 0..12 {
            guess(&client, "203.0.113.1", email, PASSWORD).await.is(200);
        }
        guess_wrong(&client, 1, "203.0.113.1", email).await;
        is_slowed(guess(&client, "203.0.113.1", email, PASSWORD).await, QUARTER);
    }

    async fn si2_a_right_password_at_the_wrong_door_counts(server: Server) {
        let acme = server.tenant("acme").await;
        let client = server.client();
        let body = json!({ "email": acme.owner.email, "password": PASSWORD, "tenantSlug": "nowhere" });
        for _ in 0..10 {
            client.post("/auth/login", body.clone()).await.refused(401, "invalid_credentials");
        }
        is_slowed(client.post("/auth/login", body).await, QUARTER);
    }

    async fn si2_the_current_password_cannot_be_guessed_either(server: Server) {
        let acme = server.tenant("acme").await;
        let change = async |current: &str| {
            let body = json!({ "currentPassword": current, "newPassword": "another-vivid-plank-8" });
            acme.owner.post("/auth/password/change", body).await
        };
        for _ in 0..10 {
            change(WRONG).await.refused(401, "invalid_credentials");
        }
        is_slowed(change(PASSWORD).await, QUARTER);
        is_slowed(guess(&server.client(), "127.0.0.1", &acme.owner.email, PASSWORD).await, QUARTER);
        guess(&server.client(), "203.0.113.1", &acme.owner.email, PASSWORD).await.is(200);
    }

    async fn si2_five_hundred_at_once_let_no_more_through(server: Server) {
        let acme = server.tenant("acme").await;
        let client = server.client();
        let email = acme.owner.email.as_str();
        let tries = join_all((0..500).map(|_| guess(&client, "203.0.113.1", email, WRONG)));
        // The address at which the owner registered is known.
        let own = guess_patiently(&client, "127.0.0.1", email, PASSWORD);
        let (replies, own) = futures::join!(tries, own);
        own.is(200);
        let mut statuses: BTreeMap<u16, u32> = BTreeMap::new();
        for reply in replies {
            *statuses.entry(reply.status.as_u16()).or_default() += 1;
        }
        let let_through = statuses.remove(&401).unwrap_or_default();
        assert!(let_through <= 10, "{let_through} were let through, beside {statuses:?}");
        // A flood is also refused while no database connection is free.
        assert!(statuses.keys().all(|status| [429, 503].contains(status)), "{statuses:?}");
        is_slowed(guess(&client, "203.0.113.1", &acme.owner.email, PASSWORD).await, HOUR);
    }

    async fn si2_a_client_that_resets_its_connection_has_guessed(server: Server) {
        // A hash of a quarter of a second, within which the client disconnects.
        let slow = settings!(
            RATE_LIMITS = "on", TRUSTED_PROXIES = "1", ARGON2_MEMORY_KIB = "65536", ARGON2_ITERATIONS = "4"
        );
        let server = server.restart(slow).await;
        let body = json!({ "email": "nobody@acme.example", "password": WRONG }).to_string();
        let length = format!("Content-Length: {}", body.len());
        let headers = ["Content-Type: application/json", "X-Forwarded-For: 203.0.113.1", &length];
        let wire = Wire::post(&server, "/api/v1/auth/login", &headers, body.as_bytes()).await;
        let in_flight = async || server.sql.number("SELECT count(*) FROM attempts_in_flight").await > 0;
        eventually("the guess is in flight", in_flight).await;
        wire.reset();
        let counted = async || server.sql.number("SELECT count(*) FROM attempts WHERE count = 1").await == 3;
        eventually("the guess counts", counted).await;
        assert_eq!(server.sql.number("SELECT count(*) FROM attempts_in_flight").await, 0);
    }

    async fn si2_counters_survive_a_restart(server: Server) {
        let email = server.tenant("acme").await.owner.email;
        guess_wrong(&server.client(), 10, "203.0.113.1", &email).await;
        let server = server.restart(settings!()).await;
        is_slowed(guess(&server.client(), "203.0.113.1", &email, PASSWORD).await, QUARTER);
    }
}

on_both_databases! {
    settings (
        RATE_LIMITS = "on", TRUSTED_PROXIES = "1", GUESS_PER_ADDRESS = "5/15m", REGISTRATIONS_PER_ADDRESS = "2/1h"
    );

    async fn si2_an_address_is_slowed_whatever_the_account(server: Server) {
        let client = server.client();
        for (one, same, next) in [
            ("203.0.113.1", "203.0.113.1", "203.0.113.2"),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ] {
            for number in 0..5 {
                guess_wrong(&client, 1, one, &format!("nobody-{number}@acme.example")).await;
            }
            is_slowed(guess(&client, same, "nobody-6@acme.example", WRONG).await, QUARTER);
            guess_wrong(&client, 1, next, "nobody-6@acme.example").await;
        }
    }

    async fn si2_an_address_registers_so_often_and_no_more(server: Server) {
        let client = server.client();
        let register = async |number: u32, from: &str| {
            let email = format!("ada-{number}@example.com");
            let body = json!({ "email": email, "password": PASSWORD, "name": "Ada", "tenantName": "Engines" });
            client.send(Method::POST, "/auth/register", Some(body), &[("x-forwarded-for", from)]).await
        };
        register(1, "203.0.113.1").await.is(201);
        register(1, "203.0.113.1").await.refused(409, "email_taken");
        is_slowed(register(2, "203.0.113.1").await, HOUR);
        register(2, "203.0.113.2").await.is(201);
    }
}

on_both_databases! {
    settings (RATE_LIMITS = "on", TRUSTED_PROXIES = "1", GUESS_PER_ACCOUNT = "5/1h");

    async fn si2_registering_and_refreshing_make_an_address_known(server: Server) {
        let client = server.client();
        let body = json!({
            "email": "ada@acme.example", "password": PASSWORD, "name": "Ada", "tenantName": "Acme", "tenantSlug": "acme"
        });
        let registered = client.send(Method::POST, "/auth/register", Some(body), &[("x-forwarded-for", "203.0.113.1")]);
        let registered = registered.await.is(201);
        let refresh = async |token: &serde_json::Value, from: &str| {
            let body = json!({ "refreshToken": token });
            client.send(Method::POST, "/auth/refresh", Some(body), &[("x-forwarded-for", from)]).await.is(200)
        };
        let second = refresh(&registered["refreshToken"], "203.0.113.1").await;
        refresh(&second["refreshToken"], "203.0.113.2").await;
        for number in 1..=5 {
            guess_wrong(&client, 1, &format!("198.51.100.{number}"), "ada@acme.example").await;
        }
        for (from, is_known) in [("203.0.113.1", true), ("203.0.113.2", true), ("203.0.113.3", false)] {
            let reply = guess(&client, from, "ada@acme.example", PASSWORD).await;
            if is_known { drop(reply.is(200)) } else { is_slowed(reply, HOUR) }
        }
    }

    async fn si2_a_reset_makes_every_other_address_unknown(server: Server) {
        let email = server.tenant("acme").await.owner.email;
        let client = server.client();
        guess(&client, "203.0.113.1", &email, PASSWORD).await.is(200);
        let body = json!({ "token": server.forgets(&email).await.token(), "password": CHOSEN });
        let from = [("x-forwarded-for", "203.0.113.2")];
        client.send(Method::POST, "/auth/password/reset", Some(body), &from).await.is(204);
        for number in 1..=5 {
            guess_wrong(&client, 1, &format!("198.51.100.{number}"), &email).await;
        }
        is_slowed(guess(&client, "203.0.113.1", &email, CHOSEN).await, HOUR);
        guess(&client, "203.0.113.2", &email, CHOSEN).await.is(200);
    }

    async fn si2_a_stranger_cannot_lock_the_owner_out(server: Server) {
        let acme = server.tenant("acme").await;
        let (client, email) = (server.client(), acme.owner.email.as_str());
        guess(&client, "203.0.113.1", email, PASSWORD).await.is(200);
        for number in 1..=5 {
            guess_wrong(&client, 1, &format!("198.51.100.{number}"), email).await;
        }
        for number in 6..=15 {
            is_slowed(guess(&client, &format!("198.51.100.{number}"), email, PASSWORD).await, HOUR);
        }
        guess(&client, "203.0.113.1", email, PASSWORD).await.is(200);
        guess_wrong(&client, 10, "203.0.113.1", email).await;
        is_slowed(guess(&client, "203.0.113.1", email, PASSWORD).await, QUARTER);
    }
}

on_both_databases! {
    settings (
        RATE_LIMITS = "on", GUESS_PER_ACCOUNT_AND_ADDRESS = "2/2s", GUESS_PER_ACCOUNT = "9000/1h",
        GUESS_PER_ADDRESS = "9000/15m"
    );

    async fn si2_who_waits_may_try_again(server: Server) {
        let acme = server.tenant("acme").await;
        let (client, email) = (server.client(), acme.owner.email.as_str());
        guess_wrong(&client, 2, "-", email).await;
        is_slowed(guess(&client, "-", email, PASSWORD).await, 2);
        eventually("the wait is over", async || guess(&client, "-", email, PASSWORD).await.status == 200).await;
    }
}
