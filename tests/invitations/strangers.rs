//! Tests of an account that a stranger created with the invited address, without verifying the mailbox.

use serde_json::json;

use crate::support::{CHOSEN, PASSWORD};

on_both_databases! {
    async fn re4_whoever_registered_the_address_without_proof_gains_nothing(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let squat = server.tenant("squat").await;
        let stranger = &squat.owner;
        // The stranger reads this mailbox, and not the one of the account.
        let change = server.wants(stranger, "mallory@evil.example").await;
        let reset = server.forgets(&stranger.email).await;
        let invitation = server.invite(&acme, &stranger.email, "admin").await;
        // The stranger's session does not replace name and password, which the owner of the mailbox chooses.
        let alone = json!({ "token": invitation.token() });
        stranger.post("/invitations/accept", alone.clone()).await.refused(422, "validation_failed");
        let offer = server.client().post("/invitations/lookup", alone).await.is(200);
        assert_eq!(offer["newPerson"], true);

        let body = json!({ "token": invitation.token(), "password": CHOSEN, "name": "Fay" });
        let data = server.client().post("/invitations/accept", body).await.is(200);
        assert_eq!((&data["user"]["id"], &data["user"]["name"]), (&json!(stranger.id), &json!("Fay")));
        assert_eq!(data["user"]["emailVerified"], true);

        stranger.get("/auth/me").await.refused(401, "session_ended");
        let refresh = json!({ "refreshToken": stranger.refresh_token });
        server.client().post("/auth/refresh", refresh).await.refused(401, "session_ended");
        let sign_in = |password: &str| json!({ "email": stranger.email, "password": password, "tenantSlug": "acme" });
        server.client().post("/auth/login", sign_in(PASSWORD)).await.refused(401, "invalid_credentials");
        for mail in [&change, &server.mail(&stranger.email, "Welcome").await] {
            for password in [PASSWORD, CHOSEN] {
                let body = json!({ "token": mail.token(), "password": password });
                server.client().post("/auth/email/verify", body).await.refused(422, "link_invalid");
            }
        }
        let body = json!({ "token": reset.token(), "password": "one-more-vivid-plank-9" });
        server.client().post("/auth/password/reset", body).await.refused(422, "link_invalid");

        let fay = server.client().post("/auth/login", sign_in(CHOSEN)).await.is(200);
        let fay = server.client().with_token(fay["accessToken"].as_str().unwrap());
        let me = fay.get("/auth/me").await.is(200);
        assert_eq!((&me["user"]["email"], &me["roles"][0]["name"]), (&json!(stranger.email), &json!("admin")));
    }

    async fn re4_what_the_stranger_had_asked_for_comes_to_nothing(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let squat = server.tenant("squat").await;
        let stranger = &squat.owner;
        let invitation = server.invite(&acme, &stranger.email, "viewer").await;
        // The stranger sends another request at the same time.
        let body = json!({ "token": invitation.token(), "password": CHOSEN, "name": "Fay" });
        let change = json!({ "currentPassword": PASSWORD, "newEmail": "mallory.too@evil.example" });
        let nobody = server.client();
        let (accepted, asked) =
            tokio::join!(nobody.post("/invitations/accept", body), stranger.post("/auth/email/change", change));
        let data = accepted.is(200);
        assert!([202, 401].contains(&asked.status.as_u16()), "{}", asked.text);
        server.sql.settled().await;
        let late = server.place.mails().into_iter().filter(|mail| mail.to == "mallory.too@evil.example");
        for mail in late {
            for password in [PASSWORD, "wrong-wrong-wrong"] {
                let body = json!({ "token": mail.token(), "password": password });
                let reply = server.client().post("/auth/email/verify", body).await;
                assert!([401, 422].contains(&reply.status.as_u16()), "{}", reply.text);
            }
            let alone = json!({ "token": mail.token() });
            assert_eq!(stranger.post("/auth/email/verify", alone).await.status, 401);
        }
        let fay = server.client().with_token(data["accessToken"].as_str().unwrap());
        assert_eq!(fay.get("/auth/me").await.is(200)["user"]["email"], stranger.email.as_str());
    }

    async fn re4_a_registration_that_waits_ends_when_the_mailbox_is_shown(server: Server) {
        let server = server.restart(settings!(REGISTRATION = "verified")).await;
        let acme = server.confirmed_tenant("acme").await;
        let waiting = server.registers("fay@fay.example", "mallorys").await;
        let invitation = server.invite(&acme, "fay@fay.example", "viewer").await;
        let body = json!({ "token": invitation.token(), "password": CHOSEN, "name": "Fay" });
        server.client().post("/invitations/accept", body).await.is(201);
        let confirmation = json!({ "token": waiting.token(), "password": PASSWORD });
        server.client().post("/auth/register/confirm", confirmation).await.refused(422, "link_invalid");
        assert_eq!(server.sql.number("SELECT count(*) FROM registrations").await, 0);
    }
}
