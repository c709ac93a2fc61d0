//! Tests of `POST /auth/email/change`, and of its link.

use serde_json::json;

use crate::support::{CHOSEN, Member, PASSWORD, Server, links::body_for};

const VERIFY: &str = "/auth/email/verify";
const NEW: &str = "new@acme.example";

async fn is_signed_out(server: &Server, member: &Member) {
    member.get("/auth/me").await.refused(401, "session_ended");
    let body = json!({ "refreshToken": member.refresh_token });
    server.client().post("/auth/refresh", body).await.refused(401, "session_ended");
}

async fn may_sign_in(server: &Server, email: &str) -> bool {
    let body = json!({ "email": email, "password": PASSWORD, "tenantSlug": "acme" });
    let reply = server.client().post("/auth/login", body).await;
    match reply.status.as_u16() {
        200 => true,
        _ => {
            reply.refused(401, "invalid_credentials");
            false
        }
    }
}

on_both_databases! {
    async fn se4_a_new_address_ends_every_session_but_the_one_that_asked(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let (asking, old) = (&acme.owner, acme.owner.email.as_str());
        let other = server.sign_in(old, "acme").await;
        asking.post("/tenants", json!({ "name": "Second", "slug": "second" })).await.is(201);
        let elsewhere = server.sign_in(old, "second").await;
        let reset = server.forgets(old).await;
        let mail = server.wants(asking, NEW).await;
        assert!(server.mail(old, "Email address change requested").await.text.contains(NEW));
        // The change has not taken effect yet.
        assert!(may_sign_in(&server, old).await && !may_sign_in(&server, NEW).await);
        other.get("/auth/me").await.is(200);

        server.client().post(VERIFY, body_for(VERIFY, json!(mail.token()))).await.is(204);
        is_signed_out(&server, &other).await;
        is_signed_out(&server, &elsewhere).await;
        let me = asking.get("/auth/me").await.is(200);
        assert_eq!((&me["user"]["email"], &me["user"]["emailVerified"]), (&json!(NEW), &json!(true)));
        assert!(!may_sign_in(&server, old).await && may_sign_in(&server, NEW).await);
        assert!(server.mail(old, "The email address of your account has changed").await.text.contains(NEW));
        // The older link would give the owner of the old mailbox access.
        let body = json!({ "token": reset.token(), "password": CHOSEN });
        server.client().post("/auth/password/reset", body).await.refused(422, "link_invalid");
        assert_eq!(acme.owner.get("/users").await.is(200)[0]["email"], NEW);
        server.client().post("/auth/password/forgot", json!({ "email": old })).await.is(202);
        server.sql.settled().await;
        assert!(server.place.mails().iter().all(|mail| mail.subject != "Choose a new password" || mail.id == reset.id));
    }

    async fn a_link_of_a_change_needs_the_person_too(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let mallory = server.verified_tenant("mallory").await.owner;
        let mail = server.wants(&acme.owner, NEW).await;
        let alone = json!({ "token": mail.token() });
        server.client().post(VERIFY, alone.clone()).await.refused(401, "unauthenticated");
        mallory.post(VERIFY, alone.clone()).await.refused(401, "unauthenticated");
        let wrong = json!({ "token": mail.token(), "password": "wrong-wrong-wrong" });
        mallory.post(VERIFY, wrong).await.refused(401, "invalid_credentials");
        assert_eq!(acme.owner.get("/auth/me").await.is(200)["user"]["email"], acme.owner.email.as_str());
        acme.owner.post(VERIFY, alone).await.is(204);
        assert_eq!(acme.owner.get("/auth/me").await.is(200)["user"]["email"], NEW);
        assert_ne!(mallory.get("/auth/me").await.is(200)["user"]["email"], NEW);
    }

    async fn a_taken_address_is_not_given_away_and_its_mailbox_is_told(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let holder = server.verified_tenant("holder").await.owner;
        let ask = async |email: &str| {
            let body = json!({ "currentPassword": PASSWORD, "newEmail": email });
            let reply = acme.owner.post("/auth/email/change", body).await;
            (reply.status, reply.body)
        };
        let taken = ask(&holder.email.to_uppercase()).await;
        server.mail(&holder.email, "Request to use your email address").await;
        server.mail(&acme.owner.email, "Email address change requested").await;
        server.sql.settled().await;
        assert_eq!(server.sql.number("SELECT count(*) FROM links").await, 0);
        assert_eq!(ask("free@acme.example").await, taken);
        assert_eq!(taken.0, 202);
        assert_eq!(acme.owner.get("/auth/me").await.is(200)["user"]["email"], acme.owner.email.as_str());
        assert_eq!(holder.get("/auth/me").await.is(200)["user"]["email"], holder.email.as_str());
    }

    async fn an_address_that_was_taken_meanwhile_is_not_to_be_had(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let other = server.sign_in(&acme.owner.email, "acme").await;
        let mail = server.wants(&acme.owner, NEW).await;
        let quicker = json!({ "email": NEW, "password": PASSWORD, "name": "Quinn", "tenantName": "Quicker" });
        server.client().post("/auth/register", quicker).await.is(201);
        server.client().post(VERIFY, body_for(VERIFY, json!(mail.token()))).await.refused(409, "email_taken");
        other.get("/auth/me").await.is(200);
        assert!(may_sign_in(&server, &acme.owner.email).await);
        let people = format!("SELECT count(*) FROM users WHERE email = '{NEW}'");
        assert_eq!(server.sql.number(&people).await, 1);
    }
}
