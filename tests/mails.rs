//! Tests of names of users and clients in the emails that other users get.

use mail_parser::MessageParser;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::support::{Mailed, PASSWORD, Server};

/// Markup, a template and a header, as far as a name may contain them.
const PERSON: &str = "<script>alert(1)</script> {{ 7*7 }} Bcc: evil@evil.example";
const TENANT: &str = "\"><img src=x onerror=y> {% raw %} ${7*7} #{7*7}";

const BREAKS: [&str; 6] = [
    "Ada\r\nBcc: evil@evil.example",
    "Ada\nBcc: evil@evil.example",
    "Ada\rBcc: evil@evil.example",
    "Ada\u{0}",
    "Ada\u{2028}Bcc: evil@evil.example",
    "Ada\u{202e}",
];

/// Checks that the words appear unchanged in the text, escaped in the HTML, and nowhere else.
fn is_plain(mail: &Mailed, words: &[&str]) {
    let spaces = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(spaces(&mail.text).contains(word), "{word} is not in {}", mail.text);
        assert!(!mail.html.contains("<script") && !mail.html.contains("<img"), "{}", mail.html);
        assert!(unescaped(&spaces(&mail.html)).contains(word), "{word} is not in {}", mail.html);
    }
    let message = MessageParser::default().parse(mail.raw.as_bytes()).unwrap();
    let names: BTreeSet<String> = message.headers().iter().map(|header| header.name().to_lowercase()).collect();
    let known = ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];
    assert_eq!(names, known.map(str::to_owned).into(), "{}", mail.raw);
    assert_eq!(message.to().and_then(|to| to.as_list()).map(<[_]>::len), Some(1), "{}", mail.raw);
}

/// Checks that the email contains no text chosen by a user.
fn has_no_words(mail: &Mailed) {
    for word in ["<script", "7*7", "<img", "evil@"] {
        assert!(!mail.raw.contains(word) && !mail.text.contains(word) && !mail.html.contains(word), "{}", mail.raw);
    }
}

fn unescaped(html: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")]
        .iter()
        .fold(html.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

fn registration(name: &str, tenant: &str) -> Value {
    json!({ "email": "ada@ada.example", "password": PASSWORD, "name": name, "tenantName": tenant, "tenantSlug": "ada" })
}

/// Creates a user with such names and a verified address, signed in.
async fn with_names(server: &Server) -> crate::support::Member {
    let client = server.client();
    let data = client.post("/auth/register", registration(PERSON, TENANT)).await.is(201);
    assert_eq!((&data["user"]["name"], &data["tenant"]["name"]), (&json!(PERSON), &json!(TENANT)));
    crate::support::Member::new(&client, &data)
}

on_both_databases! {
    async fn re6_names_are_words_and_nothing_else_in_mails(server: Server) {
        let ada = with_names(&server).await;
        let welcome = server.mail(&ada.email, "Welcome").await;
        // The mailbox is not verified yet.
        has_no_words(&welcome);
        ada.post("/auth/email/verify", json!({ "token": welcome.token() })).await.is(204);
        let roles = ada.get("/roles").await.is(200);
        let viewer = roles.as_array().unwrap().iter().find(|role| role["name"] == "viewer").unwrap()["id"].clone();
        ada.post("/invitations", json!({ "email": "fay@fay.example", "roleIds": [viewer] })).await.is(201);
        let invitation = server.mail("fay@fay.example", "invites you").await;
        is_plain(&invitation, &[PERSON, TENANT]);
        assert!(invitation.subject.contains(PERSON), "{}", invitation.subject);
        is_plain(&server.forgets(&ada.email).await, &[PERSON]);
        // Nor is this one.
        has_no_words(&server.wants(&ada, "new@ada.example").await);
        is_plain(&server.mail(&ada.email, "Email address change requested").await, &[PERSON]);
    }

    async fn re6_a_client_that_calls_itself_markup_is_shown_so(server: Server) {
        let ada = server.tenant("acme").await.owner;
        let agent = "<script>alert(1)</script> {{ 7*7 }} \"><img src=x>";
        let refresh = async |token: &str| {
            let body = json!({ "refreshToken": token });
            server.client().send(Method::POST, "/auth/refresh", Some(body), &[("user-agent", agent)]).await
        };
        let next = refresh(&ada.refresh_token).await.is(200);
        refresh(next["refreshToken"].as_str().unwrap()).await.is(200);
        refresh(&ada.refresh_token).await.refused(401, "session_ended");
        is_plain(&server.mail(&ada.email, "We ended one of your sessions").await, &[agent]);
    }

    async fn re6_a_name_is_one_line(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let token = server.invite(&acme, "fay@fay.example", "viewer").await.token().to_owned();
        let before = server.sql.dump().await;
        for bad in BREAKS {
            let refused = [
                ("name", server.client().post("/auth/register", registration(bad, "Ada's")).await),
                ("tenantName", server.client().post("/auth/register", registration("Ada", bad)).await),
                ("name", acme.owner.patch("/auth/me", json!({ "name": bad })).await),
                ("name", acme.owner.patch("/tenant", json!({ "name": bad })).await),
                ("name", acme.owner.post("/tenants", json!({ "name": bad })).await),
                ("name", acme.owner.post("/roles", json!({ "name": bad, "permissions": [] })).await),
                (
                    "name",
                    server
                        .client()
                        .post("/invitations/accept", json!({ "token": token, "password": PASSWORD, "name": bad }))
                        .await,
                ),
            ];
            for (field, reply) in refused {
                let error = reply.refused(422, "validation_failed");
                assert_eq!(error["details"][0]["field"], field, "{bad:?}");
            }
        }
        assert_eq!(server.sql.dump().await, before);
    }
}

on_both_databases! {
    settings (REGISTRATION = "verified");

    async fn re6_a_mailbox_that_nobody_has_shown_gets_no_words_of_a_stranger(server: Server) {
        server.client().post("/auth/register", registration(PERSON, TENANT)).await.is(202);
        has_no_words(&server.mail("ada@ada.example", "Confirm your registration").await);
    }
}
