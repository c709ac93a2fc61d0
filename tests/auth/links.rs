//! Tests of mailed links: they are valid once, until they expire, and only the newest; an operation accepts no other
//! text as a token.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Linked, PASSWORD, Reply, Server, Tenant, fetch,
    links::{LINK_PLACES, body_for},
};

async fn use_link(server: &Server, path: &str, token: &str) -> Reply {
    server.client().post(path, body_for(path, json!(token))).await
}

async fn is_good(server: &Server, path: &str, token: &str) {
    let reply = use_link(server, path, token).await;
    assert!(reply.status.is_success(), "{path}: {}", reply.text);
}

async fn is_worthless(server: &Server, path: &str, token: &str) {
    use_link(server, path, token).await.refused(422, "link_invalid");
}

/// Returns whether the registration is pending: then a wrong password is the error.
async fn waits(server: &Server, token: &str) -> bool {
    let body = json!({ "token": token, "password": "wrong-wrong-wrong" });
    let reply = server.client().post("/auth/register/confirm", body).await;
    match reply.status.as_u16() {
        401 => true,
        _ => {
            reply.refused(422, "link_invalid");
            false
        }
    }
}

async fn acme_and_links(server: &Server) -> (Tenant, [Linked; 5]) {
    let acme = server.confirmed_tenant("acme").await;
    let links = server.one_link_of_each(&acme).await;
    (acme, links)
}

on_both_databases! {
    settings (REGISTRATION = "verified");

    async fn re2_a_link_is_used_once_also_by_twenty_at_once(server: Server) {
        let (_acme, links) = acme_and_links(&server).await;
        for link in &links {
            let client = server.client();
            let replies = join_all((0..20).map(|_| client.post(link.path, link.body()))).await;
            let (used, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status.is_success());
            assert_eq!(used.len(), 1, "{}: {:?}", link.name, refused.iter().map(|reply| &reply.text).collect::<Vec<_>>());
            for reply in refused {
                reply.refused(422, "link_invalid");
            }
            is_worthless(&server, link.path, &link.token).await;
        }
        assert_eq!(server.sql.number("SELECT count(*) FROM links").await, 0);
        assert_eq!(server.sql.number("SELECT count(*) FROM registrations").await, 0);
    }

    async fn re2_the_time_of_a_link_ends_where_it_is_used(server: Server) {
        let (_acme, links) = acme_and_links(&server).await;
        server.let_links_expire().await;
        let before = server.sql.dump().await;
        for link in &links {
            is_worthless(&server, link.path, &link.token).await;
        }
        is_worthless(&server, "/invitations/lookup", &links[4].token).await;
        let after = server.sql.dump().await;
        for (table, rows) in before.iter().filter(|(table, _)| !table.starts_with("journal")) {
            assert_eq!(&after[table], rows, "{table} has changed");
        }
    }

    async fn re2_to_follow_a_link_changes_nothing(server: Server) {
        let (_acme, links) = acme_and_links(&server).await;
        let before = server.sql.dump().await;
        for link in &links {
            for (path, _) in LINK_PLACES {
                for method in [Method::GET, Method::HEAD] {
                    let reply = server.client().raw(method, &format!("{path}?token={}", link.token)).send().await;
                    assert!([404, 405].contains(&reply.unwrap().status().as_u16()), "{path}");
                }
                let by_query = format!("{path}?token={}", link.token);
                let reply = server.client().post(&by_query, json!({ "password": PASSWORD })).await;
                reply.refused(422, "validation_failed");
            }
            let page = if link.name == "change" { "verify" } else { link.name };
            let page = format!("{}/links/{page}?token={}", server.url(), link.token);
            assert_eq!(fetch(&page).await.unwrap().status(), 200, "{page}");
        }
        assert_eq!(server.sql.dump().await, before);
        for link in &links {
            is_good(&server, link.path, &link.token).await;
        }
    }

    async fn re2_no_answer_and_no_row_carries_a_token(server: Server) {
        let acme = server.confirmed_tenant("acme").await;
        let owner = &acme.owner;
        let email = |name: &str| format!("{name}@people.example");
        let registration =
            json!({ "email": email("carl"), "password": PASSWORD, "name": "Carl", "tenantName": "Carl's" });
        let viewer = acme.role("viewer").await;
        let to_fay = json!({ "email": email("fay"), "roleIds": [viewer] });
        let change = json!({ "currentPassword": PASSWORD, "newEmail": email("olga") });
        let mut replies = vec![
            server.client().post("/auth/register", registration).await,
            server.client().post("/auth/password/forgot", json!({ "email": owner.email })).await,
            owner.post("/auth/email/change", change).await,
            owner.post("/invitations", to_fay.clone()).await,
        ];
        let mut mails = vec![
            server.mail(&email("carl"), "Confirm your registration").await,
            server.mail(&owner.email, "Choose a new password").await,
            server.mail(&email("olga"), "Confirm your new").await,
            server.mail(&email("fay"), "invites you").await,
        ];
        let invitation = replies[3].body["data"]["id"].as_str().unwrap().to_owned();
        replies.push(owner.post(&format!("/invitations/{invitation}/resend"), json!({})).await);
        mails.push(server.mail(&email("fay"), "invites you").await);
        replies.push(owner.post("/invitations", to_fay).await);
        mails.push(server.mail(&email("fay"), "invites you").await);
        for path in ["/invitations", "/audit-logs?limit=100", "/auth/me", "/users"] {
            replies.push(owner.get(path).await);
        }
        replies.push(use_link(&server, "/invitations/lookup", mails.last().unwrap().token()).await);
        let rows = server.sql.dump().await;
        for mail in &mails {
            for reply in &replies {
                assert!(reply.status.is_success(), "{}", reply.text);
                assert!(!reply.text.contains(mail.token()), "{}", reply.text);
                assert!(reply.headers.values().all(|value| !value.to_str().unwrap_or_default().contains(mail.token())));
            }
            for (table, rows) in &rows {
                assert!(rows.iter().all(|row| !row.contains(mail.token())), "{table} holds a token of {}", mail.subject);
            }
        }
    }

    async fn re2_a_newer_link_kills_the_older(server: Server) {
        let acme = server.confirmed_tenant("acme").await;
        let owner = &acme.owner;
        let verify = [server.doubts(owner).await, server.doubts(owner).await];
        let change = [server.wants(owner, "one@acme.example").await, server.wants(owner, "two@acme.example").await];
        let reset = [server.forgets(&owner.email).await, server.forgets(&owner.email).await];
        for [older, _] in [&verify, &change] {
            is_worthless(&server, "/auth/email/verify", older.token()).await;
        }
        is_worthless(&server, "/auth/password/reset", reset[0].token()).await;
        // Links of other kinds stay valid.
        is_good(&server, "/auth/email/verify", verify[1].token()).await;
        is_good(&server, "/auth/email/verify", change[1].token()).await;
        is_worthless(&server, "/auth/password/reset", reset[1].token()).await;
    }

    async fn re2_a_renewed_invitation_kills_its_older_links(server: Server) {
        let acme = server.confirmed_tenant("acme").await;
        let first = server.invite(&acme, "fay@fay.example", "viewer").await;
        let second = server.invite(&acme, "fay@fay.example", "member").await;
        let open = acme.owner.get("/invitations").await.is(200);
        let [invitation] = open.as_array().unwrap().as_slice() else { panic!("{open}") };
        assert_eq!(invitation["roles"][0]["name"], "member");
        let mut last = second.clone();
        for _ in 0..2 {
            let path = format!("/invitations/{}/resend", invitation["id"].as_str().unwrap());
            acme.owner.post(&path, json!({})).await.is(200);
            let next = server.mail("fay@fay.example", "invites you").await;
            for older in [&first, &second, &last] {
                for place in ["/invitations/lookup", "/invitations/accept"] {
                    is_worthless(&server, place, older.token()).await;
                }
            }
            last = next;
        }
        is_good(&server, "/invitations/lookup", last.token()).await;
        is_good(&server, "/invitations/accept", last.token()).await;
    }

    async fn re2_five_registrations_stand_side_by_side_and_a_sixth_ends_the_oldest(server: Server) {
        let mut tokens = Vec::new();
        for number in 0..6 {
            let mail = server.registers("carl@carl.example", &format!("carl-{number}")).await;
            tokens.push(mail.token().to_owned());
            for (place, token) in tokens.iter().enumerate() {
                assert_eq!(waits(&server, token).await, tokens.len() - place <= 5, "{place} of {}", tokens.len());
            }
        }
        is_good(&server, "/auth/register/confirm", &tokens[3]).await;
        for token in &tokens {
            assert!(!waits(&server, token).await);
        }
        assert_eq!(server.sql.number("SELECT count(*) FROM tenants").await, 1);
    }

    async fn re3_what_is_no_token_is_refused_in_every_place(server: Server) {
        let mut strange: Vec<Value> = ["{}", "[]", "0", "1.5", "true", "null", "\"\"", "\" \"", "\"\\u0000\"", "\"日本\""]
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect();
        strange.extend([json!({ "$ne": "" }), json!(["x", "y"]), json!("x".repeat((1 << 20) - 1_000))]);
        for (path, _) in LINK_PLACES {
            for token in &strange {
                let reply = server.client().post(path, body_for(path, token.clone())).await;
                let code = if token.is_string() { "link_invalid" } else { "validation_failed" };
                reply.refused(422, code);
            }
            let mut body = body_for(path, json!("x"));
            body.as_object_mut().unwrap().remove("token");
            let error = server.client().post(path, body).await.refused(422, "validation_failed");
            assert_eq!((&error["details"][0]["field"], &error["details"][0]["code"]), (&json!("token"), &json!("required")));
        }
        for (path, _) in LINK_PLACES {
            let too_much = body_for(path, json!("x".repeat(1 << 20)));
            server.client().post(path, too_much).await.refused(413, "payload_too_large");
        }
    }
}
