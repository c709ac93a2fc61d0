//! Tests of registration where addresses have to be confirmed.

use serde_json::{Value, json};

use crate::support::{PASSWORD, links::body_for};

fn registration(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD, "name": "Mallory", "tenantName": "Mallory's" })
}

on_both_databases! {
    settings (REGISTRATION = "verified");

    async fn si1_a_known_and_an_unknown_address_are_answered_alike(server: Server) {
        let acme = server.confirmed_tenant("acme").await;
        let mut answers = Vec::new();
        for email in [acme.owner.email.as_str(), "nobody@acme.example"] {
            let reply = server.client().post("/auth/register", registration(email)).await;
            assert_eq!(reply.status, 202);
            let mut names: Vec<String> = reply.headers.keys().map(|name| name.to_string()).collect();
            names.sort();
            answers.push((names, reply.body));
        }
        assert_eq!(answers[0], answers[1]);
        // The owner of a known address is notified, without a link and without any text of the stranger.
        let told = server.mail(&acme.owner.email, "You already have an account").await;
        assert!(!told.raw.contains("Mallory") && !told.text.contains('#'), "{}", told.text);
        server.mail("nobody@acme.example", "Confirm your registration").await;
        let known = format!("SELECT count(*) FROM registrations WHERE email = '{}'", acme.owner.email);
        assert_eq!(server.sql.number(&known).await, 0);
        assert_eq!(server.sql.number("SELECT count(*) FROM registrations").await, 1);
        assert_eq!(acme.owner.get("/auth/me").await.is(200)["user"]["name"], "Rita");
    }

    async fn re4_a_confirmation_needs_the_mailbox_and_the_password(server: Server) {
        // A stranger registers another user's address, and the owner of the mailbox follows the link.
        let mail = server.registers("vera@vera.example", "mallorys").await;
        let own = json!({ "token": mail.token(), "password": "the-owners-own-password" });
        server.client().post("/auth/register/confirm", own).await.refused(401, "invalid_credentials");
        let sign_in = json!({ "email": "vera@vera.example", "password": PASSWORD });
        server.client().post("/auth/login", sign_in).await.refused(401, "invalid_credentials");
        assert_eq!(server.sql.number("SELECT count(*) FROM users").await, 0);
        let data = server
            .client()
            .post("/auth/register/confirm", body_for("/auth/register/confirm", json!(mail.token())))
            .await
            .is(201);
        assert_eq!(data["user"]["emailVerified"], true);
        assert_eq!(data["tenant"]["slug"], "mallorys");
    }

    async fn a_slug_that_was_taken_meanwhile_is_asked_for_again(server: Server) {
        let first = server.registers("one@one.example", "wanted").await;
        let second = server.registers("two@two.example", "wanted").await;
        let confirm = async |token: &str| {
            let path = "/auth/register/confirm";
            server.client().post(path, body_for(path, json!(token))).await
        };
        confirm(first.token()).await.is(201);
        confirm(second.token()).await.refused(409, "slug_taken");
        assert_eq!(server.sql.number("SELECT count(*) FROM users").await, 1);
    }
}
