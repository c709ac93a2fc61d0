//! Tests of guesses: they count together wherever a password is accepted. Strangers can cause only few emails.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, Reply, Server};

const WRONG: &str = "wrong-wrong-wrong";
const FROM: &str = "203.0.113.1";

/// An operation that takes a password, with the rest of its body.
struct Door {
    name: &'static str,
    path: &'static str,
    client: Client,
    field: &'static str,
    body: Value,
}

impl Door {
    async fn knock(&self, from: &str, password: &str) -> Reply {
        let mut body = self.body.clone();
        body[self.field] = json!(password);
        self.client.send(Method::POST, self.path, Some(body), &[("x-forwarded-for", from)]).await
    }
}

/// Returns such operations for a known user; those that a correct password does not use up come first.
async fn doors_of(server: &Server, slug: &str) -> (String, Vec<Door>) {
    let acme = server.confirmed_tenant(&format!("{slug}-inc")).await;
    let bob = server.confirmed_tenant(slug).await.owner;
    let invite = server.invite(&acme, &bob.email, "viewer").await;
    let verify = server.doubts(&bob).await;
    // Verified again, so that the invitation asks for the password of the account.
    let now = server.sql.id(&bob.id);
    server.sql.execute(&format!("UPDATE users SET email_verified_at = created_at WHERE id = {now}")).await;
    let door = |name, path, client: &Client, field, body| Door { name, path, client: client.clone(), field, body };
    let nobody = server.client();
    let doors = vec![
        door("login", "/auth/login", &nobody, "password", json!({ "email": bob.email })),
        door(
            "change",
            "/auth/email/change",
            &bob,
            "currentPassword",
            json!({ "newEmail": format!("new@{slug}.example") }),
        ),
        door("verify", "/auth/email/verify", &nobody, "password", json!({ "token": verify.token() })),
        door("accept", "/invitations/accept", &nobody, "password", json!({ "token": invite.token() })),
    ];
    (bob.email, doors)
}

/// Returns such operations for a user who has registered and not confirmed.
async fn doors_of_a_registration(server: &Server, slug: &str) -> Vec<Door> {
    let email = format!("carl@{slug}.example");
    let mail = server.registers(&email, slug).await;
    let (path, client) = ("/auth/register/confirm", server.client());
    vec![
        Door {
            name: "login",
            path: "/auth/login",
            client: client.clone(),
            field: "password",
            body: json!({ "email": email }),
        },
        Door { name: "confirm", path, client, field: "password", body: json!({ "token": mail.token() }) },
    ]
}

on_both_databases! {
    settings (
        RATE_LIMITS = "on", TRUSTED_PROXIES = "1", REGISTRATION = "verified", GUESS_PER_ACCOUNT_AND_ADDRESS = "4/15m",
        REGISTRATIONS_PER_ADDRESS = "9000/1h", MAILS_PER_RECIPIENT = "9000/1h", MAIL_REQUESTS_PER_ADDRESS = "9000/1h"
    );

    async fn si2_guesses_count_together_at_every_door(server: Server) {
        let (_, known) = doors_of(&server, "bob").await;
        let waiting = doors_of_a_registration(&server, "carl").await;
        for doors in [&known, &waiting] {
            for number in 0..4 {
                doors[number % doors.len()].knock(FROM, WRONG).await.refused(401, "invalid_credentials");
            }
            for door in doors {
                for password in [WRONG, PASSWORD] {
                    door.knock(FROM, password).await.refused(429, "rate_limited");
                }
            }
            // A guess that was refused by the limit has not used up anything.
            for door in doors.iter().filter(|door| door.name != "login") {
                let reply = door.knock("203.0.113.2", PASSWORD).await;
                assert!(reply.status.is_success(), "{}: {}", door.name, reply.text);
            }
        }
    }

    async fn si2_a_right_password_uses_up_nothing_at_any_door(server: Server) {
        for place in 0..4 {
            let (email, doors) = doors_of(&server, &format!("bob-{place}")).await;
            only_wrong_ones_count(&server, &doors[place], &email).await;
        }
        let doors = doors_of_a_registration(&server, "carl").await;
        only_wrong_ones_count(&server, &doors[1], "carl@carl.example").await;
    }

    async fn si2_what_is_no_link_costs_nobody_a_guess(server: Server) {
        let (email, doors) = doors_of(&server, "bob").await;
        let token = "kZp3vV0Jr1m8Q5h2Yx7dWcT9bNf4sLgEaUoKiRtMhPw";
        for _ in 0..6 {
            for path in ["/auth/email/verify", "/invitations/accept", "/auth/register/confirm"] {
                let body = json!({ "token": token, "password": WRONG });
                let reply = server.client().send(Method::POST, path, Some(body), &[("x-forwarded-for", FROM)]).await;
                reply.refused(422, "link_invalid");
            }
        }
        assert!(doors[0].knock(FROM, PASSWORD).await.status.is_success(), "{email}");
    }
}

/// Four wrong passwords are allowed; a right one between them counts nowhere.
async fn only_wrong_ones_count(server: &Server, door: &Door, email: &str) {
    for _ in 0..3 {
        door.knock(FROM, WRONG).await.refused(401, "invalid_credentials");
    }
    let reply = door.knock(FROM, PASSWORD).await;
    assert!(reply.status.is_success(), "{}: {}", door.name, reply.text);
    let login = Door {
        name: "login",
        path: "/auth/login",
        client: server.client(),
        field: "password",
        body: json!({ "email": email }),
    };
    login.knock(FROM, WRONG).await.refused(401, "invalid_credentials");
    login.knock(FROM, PASSWORD).await.refused(429, "rate_limited");
}

async fn forgets(server: &Server, from: &str, email: &str) -> Reply {
    let body = json!({ "email": email });
    server.client().send(Method::POST, "/auth/password/forgot", Some(body), &[("x-forwarded-for", from)]).await
}

on_both_databases! {
    settings (
        RATE_LIMITS = "on", TRUSTED_PROXIES = "1", MAILS_PER_RECIPIENT = "2/1h", MAIL_REQUESTS_PER_ADDRESS = "4/1h"
    );

    async fn si2_a_mailbox_gets_so_many_mails_and_no_more(server: Server) {
        let acme = server.tenant("acme").await;
        let mut answers = Vec::new();
        for email in [acme.owner.email.as_str(), "nobody@acme.example"] {
            for number in 1..=2 {
                forgets(&server, &format!("203.0.113.{number}"), email).await.is(202);
            }
            let refused = forgets(&server, "203.0.113.3", &email.to_uppercase()).await;
            let names: std::collections::BTreeSet<String> =
                refused.headers.keys().map(|name| name.to_string()).collect();
            answers.push((refused.status, names, refused.body["error"].clone()));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, 429);
        // The user's own request is one more email to the same mailbox.
        acme.owner.post("/auth/email/resend", json!({})).await.refused(429, "rate_limited");
        server.sql.settled().await;
        assert_eq!(server.place.mails().iter().filter(|mail| mail.subject == "Choose a new password").count(), 2);
    }

    async fn si2_an_address_causes_so_many_mails_and_no_more(server: Server) {
        for number in 0..4 {
            forgets(&server, FROM, &format!("nobody-{number}@acme.example")).await.is(202);
        }
        forgets(&server, FROM, "somebody@acme.example").await.refused(429, "rate_limited");
        forgets(&server, "203.0.113.2", "somebody@acme.example").await.is(202);
    }

    async fn si2_invitations_to_a_mailbox_are_few_whoever_invites(server: Server) {
        let (acme, other) = (server.verified_tenant("acme").await, server.verified_tenant("other").await);
        let fay = async |tenant: &crate::support::Tenant| {
            let body = json!({ "email": "fay@fay.example", "roleIds": [tenant.role("viewer").await] });
            tenant.owner.post("/invitations", body).await
        };
        let invitation = fay(&acme).await.is(201);
        fay(&other).await.is(201);
        fay(&acme).await.refused(429, "rate_limited");
        fay(&other).await.refused(429, "rate_limited");
        let path = format!("/invitations/{}/resend", invitation["id"].as_str().unwrap());
        acme.owner.post(&path, json!({})).await.refused(429, "rate_limited");
        // The refused request did not affect the existing link.
        let mail = server.mail("fay@fay.example", "invites you").await;
        server.client().post("/invitations/lookup", json!({ "token": mail.token() })).await.is(200);
    }

    async fn si2_a_new_address_gets_few_mails_too(server: Server) {
        let acme = server.tenant("acme").await;
        let body = json!({ "currentPassword": PASSWORD, "newEmail": "victim@victim.example" });
        for _ in 0..2 {
            acme.owner.post("/auth/email/change", body.clone()).await.is(202);
        }
        acme.owner.post("/auth/email/change", body).await.refused(429, "rate_limited");
    }
}

on_both_databases! {
    settings (RATE_LIMITS = "on", REGISTRATION = "verified", MAILS_PER_RECIPIENT = "2/1h");

    async fn si2_registering_an_address_mails_it_so_often_and_no_more(server: Server) {
        let known = server.confirmed_tenant("acme").await.owner.email;
        let mut answers = Vec::new();
        for (email, before) in [(known.as_str(), 1), ("nobody@acme.example", 0)] {
            let body = json!({ "email": email, "password": PASSWORD, "name": "M", "tenantName": "M" });
            for _ in before..2 {
                server.client().post("/auth/register", body.clone()).await.is(202);
            }
            let reply = server.client().post("/auth/register", body).await;
            answers.push((reply.status, reply.body["error"].clone()));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, 429);
    }
}
