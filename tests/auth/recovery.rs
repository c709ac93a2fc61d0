//! Tests of `POST /auth/password/forgot` and `/auth/password/reset`.

use serde_json::json;

use crate::support::{CHOSEN, Member, PASSWORD, Server, links::body_for};

async fn is_signed_out(server: &Server, member: &Member) {
    member.get("/auth/me").await.refused(401, "session_ended");
    let body = json!({ "refreshToken": member.refresh_token });
    server.client().post("/auth/refresh", body).await.refused(401, "session_ended");
}

on_both_databases! {
    async fn se4_a_reset_ends_every_session_in_every_tenant(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        let second = server.sign_in(&bob.email, "acme").await;
        let home = bob.get("/tenants").await.is(200);
        let home = home.as_array().unwrap().iter().find(|tenant| tenant["slug"] != "acme").unwrap()["slug"].clone();
        let home = server.sign_in(&bob.email, home.as_str().unwrap()).await;
        for member in [&bob, &second, &home] {
            member.get("/tenant").await.is(200);
        }
        let mail = server.forgets(&bob.email).await;
        bob.get("/auth/me").await.is(200);
        let body = body_for("/auth/password/reset", json!(mail.token()));
        // Also the session from which the link is used.
        bob.post("/auth/password/reset", body).await.is(204);
        for member in [&bob, &second, &home] {
            is_signed_out(&server, member).await;
        }
        acme.owner.get("/auth/me").await.is(200);
        let sign_in = |password: &str| json!({ "email": bob.email, "password": password, "tenantSlug": "acme" });
        server.client().post("/auth/login", sign_in(PASSWORD)).await.refused(401, "invalid_credentials");
        let data = server.client().post("/auth/login", sign_in(CHOSEN)).await.is(200);
        // A user who reads the mailbox has verified the address.
        assert_eq!(data["user"]["emailVerified"], true);
        server.mail(&bob.email, "Your password was changed").await;
    }

    async fn se4_a_reset_ends_every_other_link_of_the_person(server: Server) {
        let acme = server.tenant("acme").await;
        let welcome = server.mail(&acme.owner.email, "Welcome").await;
        let change = server.wants(&acme.owner, "elsewhere@acme.example").await;
        let reset = server.forgets(&acme.owner.email).await;
        let nobody = server.client();
        nobody.post("/auth/password/reset", body_for("/auth/password/reset", json!(reset.token()))).await.is(204);
        for mail in [&welcome, &change] {
            let body = json!({ "token": mail.token(), "password": CHOSEN });
            nobody.post("/auth/email/verify", body).await.refused(422, "link_invalid");
        }
    }

    async fn a_refused_new_password_leaves_the_link_good(server: Server) {
        let acme = server.tenant("acme").await;
        let reset = server.forgets(&acme.owner.email).await;
        let with = |password: &str| json!({ "token": reset.token(), "password": password });
        let nobody = server.client();
        nobody.post("/auth/password/reset", with("password123")).await.refused(422, "weak_password");
        nobody.post("/auth/password/reset", with("short")).await.refused(422, "validation_failed");
        acme.owner.get("/auth/me").await.is(200);
        nobody.post("/auth/password/reset", with(CHOSEN)).await.is(204);
    }

    async fn si1_a_forgotten_password_is_the_same_for_everybody(server: Server) {
        let acme = server.tenant("acme").await;
        let disabled = server.member(&acme, "member").await;
        server.disable(&disabled).await;
        let mut answers = Vec::new();
        for email in [&acme.owner.email, &disabled.email, &"nobody@acme.example".to_owned()] {
            let reply = server.client().post("/auth/password/forgot", json!({ "email": email })).await;
            let mut names: Vec<String> = reply.headers.keys().map(|name| name.to_string()).collect();
            names.sort();
            answers.push((reply.status, names, reply.body));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        server.sql.settled().await;
        let told = server.place.mails().into_iter().filter(|mail| mail.subject == "Choose a new password");
        assert_eq!(told.map(|mail| mail.to).collect::<Vec<_>>(), [acme.owner.email.as_str()]);
    }

    async fn a_disabled_person_uses_no_link(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        let welcome = server.mail(&bob.email, "Welcome").await;
        let reset = server.forgets(&bob.email).await;
        server.disable(&bob).await;
        for (path, mail) in [("/auth/password/reset", &reset), ("/auth/email/verify", &welcome)] {
            let reply = server.client().post(path, body_for(path, json!(mail.token()))).await;
            assert!([401, 422].contains(&reply.status.as_u16()), "{}", reply.text);
        }
    }
}
