//! Tests of who may accept an invitation: only the user of the invited address, with the required proof.

use serde_json::{Value, json};

use crate::support::{CHOSEN, Member, PASSWORD, Server, Tenant};

const ACCEPT: &str = "/invitations/accept";

/// Returns how many members the tenant has.
async fn members(tenant: &Tenant) -> usize {
    tenant.owner.get("/users?limit=100").await.is(200).as_array().unwrap().len()
}

async fn offer(server: &Server, token: &str) -> Value {
    server.client().post("/invitations/lookup", json!({ "token": token })).await.is(200)
}

fn alone(token: &str) -> Value {
    json!({ "token": token })
}

fn with(token: &str, password: &str) -> Value {
    json!({ "token": token, "password": password })
}

/// Creates a known user with a verified address, in a tenant of that user's own.
async fn known(server: &Server, slug: &str) -> Member {
    server.verified_tenant(slug).await.owner
}

on_both_databases! {
    async fn re4_a_known_person_gets_in_by_their_session_or_their_password(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let (ann, ben) = (known(&server, "ann").await, known(&server, "ben").await);
        let token = server.invite(&acme, &ann.email, "viewer").await.token().to_owned();
        assert_eq!(offer(&server, &token).await["newPerson"], false);
        server.client().post(ACCEPT, alone(&token)).await.refused(422, "validation_failed");
        server.client().post(ACCEPT, with(&token, CHOSEN)).await.refused(401, "invalid_credentials");
        let data = ann.post(ACCEPT, alone(&token)).await.is(200);
        assert_eq!((&data["user"]["id"], &data["tenant"]["slug"]), (&json!(ann.id), &json!("acme")));
        ann.get("/auth/me").await.is(200);

        let token = server.invite(&acme, &ben.email, "viewer").await.token().to_owned();
        let data = server.client().post(ACCEPT, with(&token, PASSWORD)).await.is(200);
        assert_eq!(data["user"]["id"], ben.id.as_str());
        assert_eq!(members(&acme).await, 3);
    }

    async fn re4_somebody_elses_session_is_no_proof(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let (ann, mallory) = (known(&server, "ann").await, known(&server, "mallory").await);
        let token = server.invite(&acme, &ann.email, "admin").await.token().to_owned();
        let newcomers = server.invite(&acme, "fay@fay.example", "admin").await.token().to_owned();
        for by in [&mallory, &acme.owner] {
            by.post(ACCEPT, alone(&token)).await.refused(422, "validation_failed");
            by.post(ACCEPT, with(&token, CHOSEN)).await.refused(401, "invalid_credentials");
            by.post(ACCEPT, alone(&newcomers)).await.refused(422, "validation_failed");
        }
        assert_eq!(members(&acme).await, 1);
        // A caller with the link and the required proof is the user of the address, independent of the session.
        let body = json!({ "token": newcomers, "password": CHOSEN, "name": "Fay" });
        let data = mallory.post(ACCEPT, body).await.is(201);
        assert_eq!(data["user"]["email"], "fay@fay.example");
        assert_ne!(data["user"]["id"], mallory.id.as_str());
        let mallorys = mallory.get("/tenants").await.is(200);
        assert!(mallorys.as_array().unwrap().iter().all(|tenant| tenant["slug"] != "acme"));
    }

    async fn re4_a_session_that_has_ended_is_no_proof(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let ann = known(&server, "ann").await;
        let token = server.invite(&acme, &ann.email, "viewer").await.token().to_owned();
        ann.post("/auth/logout", json!({})).await.is(204);
        ann.post(ACCEPT, alone(&token)).await.refused(401, "session_ended");
        server.client().with_token("x").post(ACCEPT, with(&token, PASSWORD)).await.refused(401, "token_invalid");
        assert_eq!(members(&acme).await, 1);
    }

    async fn re4_an_invitation_stays_with_the_address_and_not_with_the_person(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let ann = known(&server, "ann").await;
        let token = server.invite(&acme, &ann.email, "viewer").await.token().to_owned();
        let change = server.wants(&ann, "ann@elsewhere.example").await;
        ann.post("/auth/email/verify", alone(change.token())).await.is(204);
        ann.post(ACCEPT, alone(&token)).await.refused(422, "validation_failed");
        assert_eq!(offer(&server, &token).await["newPerson"], true);
        // The old mailbox belongs to another user now.
        let body = json!({ "token": token, "password": CHOSEN, "name": "Next Ann" });
        let data = server.client().post(ACCEPT, body).await.is(201);
        assert_ne!(data["user"]["id"], ann.id.as_str());
    }

    async fn re4_a_disabled_person_does_not_get_in(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let (proved, unproved) = (known(&server, "proved").await, server.tenant("unproved").await.owner);
        for person in [&proved, &unproved] {
            let token = server.invite(&acme, &person.email, "viewer").await.token().to_owned();
            server.disable(person).await;
            let body = json!({ "token": token, "password": PASSWORD, "name": "Ann" });
            for (path, body) in [("/invitations/lookup", alone(&token)), (ACCEPT, body)] {
                server.client().post(path, body).await.refused(422, "link_invalid");
            }
            assert_eq!(members(&acme).await, 1);
            server.enable(person).await;
            offer(&server, &token).await;
        }
    }

    async fn a_member_is_not_invited_and_does_not_join_twice(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let ann = known(&server, "ann").await;
        let token = server.invite(&acme, &ann.email, "viewer").await.token().to_owned();
        server.join(&acme, &ann.email, "member").await;
        ann.post(ACCEPT, alone(&token)).await.refused(409, "already_member");
        let here = server.sign_in(&ann.email, "acme").await;
        assert_eq!(here.get("/auth/me").await.is(200)["roles"][0]["name"], "member");
        let body = json!({ "email": ann.email, "roleIds": [acme.role("viewer").await] });
        acme.owner.post("/invitations", body).await.refused(409, "already_member");
    }
}
