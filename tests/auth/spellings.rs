//! Tests that two spellings of an email address are equal in every operation.

use serde_json::{Value, json};

use crate::support::PASSWORD;

/// Spellings of `josé@acme.example`.
const SPELLINGS: [&str; 4] =
    ["josé@acme.example", "jose\u{301}@acme.example", "JOSÉ@ACME.EXAMPLE", "  Jose\u{301}@Acme.Example "];
const CANONICAL: &str = "josé@acme.example";

const NO_MAILBOXES: [&str; 11] = [
    "a@acme.example, b@acme.example",
    "a@acme.example;b@acme.example",
    "a＠acme.example",
    "a@acme.example.",
    "a@acme.example\r\nBcc: b@acme.example",
    "\"a b\"@acme.example",
    "a@acme.example\u{0}",
    "<a@acme.example>",
    "ａ@acme.example",
    "☺@acme.example",
    "a\u{200b}@acme.example",
];

on_both_databases! {
    async fn re5_two_spellings_are_one_person(server: Server) {
        let register = async |email: &str| {
            let body = json!({ "email": email, "password": PASSWORD, "name": "José", "tenantName": "J" });
            server.client().post("/auth/register", body).await
        };
        assert_eq!(register(SPELLINGS[1]).await.is(201)["user"]["email"], CANONICAL);
        for spelling in SPELLINGS {
            register(spelling).await.refused(409, "email_taken");
            let body = json!({ "email": spelling, "password": PASSWORD });
            server.client().post("/auth/login", body).await.is(200);
            server.forgets_as(spelling, CANONICAL).await;
        }
        assert_eq!(server.sql.number("SELECT count(*) FROM users").await, 1);
        assert_eq!(server.sql.number("SELECT count(*) FROM links WHERE kind = 'reset'").await, 1);
    }

    async fn re5_two_spellings_are_one_invitation_and_one_member(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let viewer = acme.role("viewer").await;
        let invite = async |email: &str| {
            acme.owner.post("/invitations", json!({ "email": email, "roleIds": [viewer] })).await
        };
        let mut ids = Vec::new();
        let mut tokens = Vec::new();
        for spelling in SPELLINGS {
            let made = invite(spelling).await.is(201);
            assert_eq!(made["email"], CANONICAL);
            ids.push(made["id"].clone());
            tokens.push(server.mail(CANONICAL, "invites you").await.token().to_owned());
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let accept = |token: &str| json!({ "token": token, "password": PASSWORD, "name": "José" });
        let nobody = server.client();
        for token in &tokens[..3] {
            nobody.post("/invitations/accept", accept(token)).await.refused(422, "link_invalid");
        }
        nobody.post("/invitations/accept", accept(&tokens[3])).await.is(201);
        for spelling in SPELLINGS {
            invite(spelling).await.refused(409, "already_member");
        }
    }

    async fn re5_addresses_of_every_script_are_taken(server: Server) {
        let client = server.client();
        for (typed, canonical) in [
            ("संपर्क@डाटामेल.भारत", "संपर्क@xn--c2bd4bq1db8d.xn--h2brj9c"),
            ("उत्तम@example.com", "उत्तम@example.com"),
            ("user@हिन्दी.com", "user@xn--j2bd4cyah0f.com"),
            ("user@தமிழ்.இந்தியா", "user@xn--rlcus7b3d.xn--xkc2dl3a5ee0h"),
            ("ผู้ใช้@example.com", "ผู้ใช้@example.com"),
            ("пример@пример.рф", "пример@xn--e1afmkfd.xn--p1ai"),
        ] {
            let body = json!({ "email": typed, "password": PASSWORD, "name": "A", "tenantName": "A" });
            let made = client.post("/auth/register", body.clone()).await.is(201);
            assert_eq!(made["user"]["email"], canonical);
            client.post("/auth/register", body).await.refused(409, "email_taken");
            let signed_in = client.post("/auth/login", json!({ "email": canonical, "password": PASSWORD })).await.is(200);
            let own = client.with_token(signed_in["accessToken"].as_str().unwrap());
            assert_eq!(own.get("/users").await.is(200)[0]["email"], canonical);
            server.forgets_as(typed, canonical).await;
        }
    }

    async fn re5_what_is_no_mailbox_goes_nowhere(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let viewer = acme.role("viewer").await;
        let before = server.sql.dump().await;
        for email in NO_MAILBOXES {
            let bodies: [(&str, &str, Value); 4] = [
                ("/auth/password/forgot", "email", json!({ "email": email })),
                ("/invitations", "email", json!({ "email": email, "roleIds": [viewer] })),
                ("/auth/email/change", "newEmail", json!({ "newEmail": email, "currentPassword": PASSWORD })),
                (
                    "/auth/register",
                    "email",
                    json!({ "email": email, "password": PASSWORD, "name": "A", "tenantName": "A" }),
                ),
            ];
            for (path, field, body) in bodies {
                let error = acme.owner.post(path, body).await.refused(422, "validation_failed");
                assert_eq!(error["details"][0]["field"], field, "{path} {email:?}");
            }
        }
        assert_eq!(server.sql.dump().await, before);
    }
}
