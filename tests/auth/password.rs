//! Tests of `POST /auth/password/change`, and of the passwords that are accepted.

use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::support::{Client, Member, PASSWORD, Reply};

const NEW: &str = "another-vivid-plank-8";

async fn change(member: &Client, current: &str, new: &str) -> Reply {
    member.post("/auth/password/change", json!({ "currentPassword": current, "newPassword": new })).await
}

async fn sign_in(client: &Client, email: &str, password: &str) -> Reply {
    client.post("/auth/login", json!({ "email": email, "password": password })).await
}

fn registration(email: &str, password: &str) -> Value {
    json!({
        "email": email, "password": password, "name": "Wilhelmina Murray", "tenantName": "Transylvania Imports",
        "tenantSlug": "carfax-abbey"
    })
}

on_both_databases! {
    async fn a_password_is_changed_by_who_knows_it(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        let reply = change(owner, "wrong-wrong-wrong", NEW).await;
        assert!(!reply.header("www-authenticate").contains("invalid_token"), "the token is valid");
        reply.refused(401, "invalid_credentials");
        change(owner, "short", NEW).await.refused(401, "invalid_credentials");
        sign_in(&server.client(), &owner.email, PASSWORD).await.is(200);
        let reply = change(owner, PASSWORD, NEW).await;
        let request = reply.request_id();
        reply.is(204);
        assert!(server.sql.events_of(request).await.contains(&("user.password_changed".into(), "succeeded".into())));
        sign_in(&server.client(), &owner.email, PASSWORD).await.refused(401, "invalid_credentials");
        sign_in(&server.client(), &owner.email, NEW).await.is(200);
        let entry = owner.get("/audit-logs?action=user.password_changed&outcome=succeeded").await.is(200)[0].clone();
        assert_eq!(entry["changes"][0]["field"], "password");
        let text = entry.to_string();
        assert!(!text.contains(NEW) && !text.contains("argon2"), "{text}");
    }

    async fn a_change_ends_the_link_that_was_asked_for_before(server: Server) {
        let acme = server.tenant("acme").await;
        let (welcome, reset) = (server.mail(&acme.owner.email, "Welcome").await, server.forgets(&acme.owner.email).await);
        change(&acme.owner, PASSWORD, NEW).await.is(204);
        let body = json!({ "token": reset.token(), "password": "plank-vivid-other-0" });
        server.client().post("/auth/password/reset", body).await.refused(422, "link_invalid");
        acme.owner.post("/auth/email/verify", json!({ "token": welcome.token() })).await.is(204);
        let later = server.forgets(&acme.owner.email).await;
        let body = json!({ "token": later.token(), "password": "plank-vivid-other-0" });
        server.client().post("/auth/password/reset", body).await.is(204);
    }

    async fn of_two_changes_at_once_one_is_made(server: Server) {
        let acme = server.tenant("acme").await;
        let others: [Member; 4] = [
            server.sign_in(&acme.owner.email, "acme").await,
            server.sign_in(&acme.owner.email, "acme").await,
            server.sign_in(&acme.owner.email, "acme").await,
            server.sign_in(&acme.owner.email, "acme").await,
        ];
        let passwords = ["plank-vivid-other-0", "plank-vivid-other-1", "plank-vivid-other-2", "plank-vivid-other-3"];
        let changes = others.iter().zip(passwords).map(|(member, new)| change(member, PASSWORD, new));
        let replies = futures::future::join_all(changes).await;
        let done: Vec<usize> = (0..replies.len()).filter(|place| replies[*place].status == 204).collect();
        let [winner] = done[..] else { panic!("{done:?} were made") };
        for reply in &replies {
            assert!(matches!(reply.status.as_u16(), 204 | 401), "{}", reply.text);
        }
        for (place, password) in passwords.into_iter().enumerate() {
            let status = sign_in(&server.client(), &acme.owner.email, password).await.status;
            assert_eq!(status, if place == winner { 200 } else { 401 });
        }
        assert_eq!(server.sql.number("SELECT count(*) FROM sessions WHERE end_reason = 'password_changed'").await, 4);
    }

    async fn si3_length_is_counted_in_characters_of_any_kind(server: Server) {
        let client = server.client();
        let too_long = "𝔘nusual-ßtring ".repeat(9);
        let unfit = ["", "xK9#mQ2", "пароль", &too_long[..], &"é".repeat(7)];
        for (place, password) in unfit.into_iter().enumerate() {
            let body = registration(&format!("mina-{place}@example.com"), password);
            let reply = client.post("/auth/register", body).await;
            assert!(password.len() < 3 || !reply.text.contains(password), "the password is repeated");
            let error = reply.refused(422, "validation_failed");
            assert_eq!(error["details"][0]["field"], "password", "{password}");
        }
        let acme = server.tenant("acme").await;
        let longest: String = too_long.chars().take(128).collect();
        let mut current = PASSWORD.to_owned();
        for fine in [
            "xK9#mQ2$", "kqzjvwxmbprtyhgdnfcs", "пароль-не-простой-совсем", "  spaces  are  kept  ", "🦊🐢🌵🧲🪁🎷🛰🧂",
            "nul\u{0}nul-vague-zebra", &longest,
        ] {
            change(&acme.owner, &current, fine).await.is(204);
            sign_in(&client, &acme.owner.email, fine).await.is(200);
            current = fine.to_owned();
        }
    }

    async fn si3_common_passwords_and_own_words_are_refused(server: Server) {
        let client = server.client();
        for weak in [
            "password1", "qwertyuiop", "12345678", "letmein1", "wilhelmina", "WilhelminaMurray1897", "murray2026",
            "transylvania1", "Transylvania Imports", "carfax-abbey", "carfaxabbey!", "mina.murray@example.com",
            "Wilhelmina-Murray-1897",
        ] {
            let reply = client.post("/auth/register", registration("mina.murray@example.com", weak)).await;
            assert_eq!(reply.body["error"]["code"], "weak_password", "{weak}: {}", reply.text);
            reply.refused(422, "weak_password");
        }
        let data = client.post("/auth/register", registration("mina.murray@example.com", PASSWORD)).await.is(201);
        let mina = client.with_token(data["accessToken"].as_str().unwrap());
        for weak in ["password1", "wilhelmina1897", "transylvania1", "carfaxabbey!"] {
            change(&mina, PASSWORD, weak).await.refused(422, "weak_password");
        }
        // The estimate is costly, so only the user reaches it.
        change(&mina, "wrong-wrong-wrong", "password1").await.refused(401, "invalid_credentials");
        for unfit in ["short", &"x".repeat(129)] {
            let error = change(&mina, PASSWORD, unfit).await.refused(422, "validation_failed");
            assert_eq!(error["details"][0]["field"], "newPassword");
        }
        sign_in(&client, "mina.murray@example.com", PASSWORD).await.is(200);
    }

    async fn si3_every_byte_counts_the_73rd_too(server: Server) {
        let acme = server.tenant("acme").await;
        let long = format!("{}-quartz-jockey-vows-imply", "b9!kT".repeat(16));
        let [mut other_byte_73, mut other_end] = [long.clone(), long.clone()];
        other_byte_73.replace_range(72..73, "#");
        other_end.pop();
        change(&acme.owner, PASSWORD, &long).await.is(204);
        for wrong in [&long[..72], &other_byte_73, &other_end] {
            assert_ne!(wrong, long);
            sign_in(&server.client(), &acme.owner.email, wrong).await.refused(401, "invalid_credentials");
        }
        sign_in(&server.client(), &acme.owner.email, &long).await.is(200);
    }
}

on_both_databases! {
    settings (ARGON2_MEMORY_KIB = "65536", ARGON2_ITERATIONS = "200");

    // One hash takes many seconds here.
    async fn si3_a_huge_password_is_refused_before_it_is_hashed(server: Server) {
        let client = server.client();
        let huge = "x".repeat((1 << 20) - 1_000);
        let began = Instant::now();
        let body = registration("mina@example.com", &huge);
        let error = client.post("/auth/register", body).await.refused(422, "validation_failed");
        assert_eq!(error["details"][0]["field"], "password");
        sign_in(&client, "mina@example.com", &huge).await.refused(401, "invalid_credentials");
        let huger = "x".repeat(1 << 20);
        client.post("/auth/register", registration("mina@example.com", &huger)).await.refused(413, "payload_too_large");
        sign_in(&client, "mina@example.com", &huger).await.refused(413, "payload_too_large");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
