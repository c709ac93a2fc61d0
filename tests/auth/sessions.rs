//! Tests of `/auth/sessions`.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::support::{Client, Member, PASSWORD};

async fn ids_of(member: &Client) -> BTreeSet<String> {
    let sessions = member.get("/auth/sessions").await.is(200);
    sessions.as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

async fn is_signed_out(member: &Member) {
    member.get("/auth/me").await.refused(401, "session_ended");
}

on_both_databases! {
    async fn everybody_sees_their_own_sessions_newest_first(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        server.tenant("other").await;
        let body = json!({ "email": owner.email, "password": PASSWORD });
        let agent = [("user-agent", "Vienna/7.1 (X11)")];
        let data = server.client().send(Method::POST, "/auth/login", Some(body), &agent).await.is(200);
        let newer = server.client().with_token(data["accessToken"].as_str().unwrap());
        let reply = newer.get("/auth/sessions").await;
        assert!(reply.body.get("meta").is_none(), "{}", reply.text);
        let sessions = reply.is(200);
        let [first, second] = sessions.as_array().unwrap().as_slice() else { panic!("{sessions}") };
        let fields: BTreeSet<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["createdAt", "current", "device", "id", "ip", "lastUsedAt", "tenant"].into());
        assert_eq!((&first["current"], &second["current"]), (&json!(true), &json!(false)));
        assert_eq!(first["id"], newer.get("/auth/me").await.is(200)["session"]["id"]);
        assert_eq!(second["id"], owner.session_id().await);
        assert_eq!(first["tenant"], json!({ "id": acme.id, "name": "acme", "slug": "acme" }));
        assert_eq!((&first["device"], &second["device"]), (&json!("Vienna/7.1 (X11)"), &Value::Null));
        assert_eq!(first["ip"], "127.0.0.1");
        assert!(first["lastUsedAt"].as_str().unwrap().ends_with(":00.000Z"), "{first}");
    }

    async fn one_session_is_ended_by_its_id(server: Server) {
        let acme = server.tenant("acme").await;
        let email = &acme.owner.email;
        let [one, two] = [server.sign_in(email, "acme").await, server.sign_in(email, "acme").await];
        let path = format!("/auth/sessions/{}", one.session_id().await);
        let reply = two.delete(&path).await;
        assert_eq!(server.sql.events_of(reply.request_id()).await.len(), 1);
        reply.is(204);
        is_signed_out(&one).await;
        two.delete(&path).await.refused(404, "not_found");
        assert_eq!(ids_of(&two).await.len(), 2);
        two.delete(&format!("/auth/sessions/{}", two.session_id().await)).await.is(204);
        is_signed_out(&two).await;
        acme.owner.get("/auth/me").await.is(200);
    }

    async fn somebody_elses_session_is_not_there(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "admin").await;
        let theirs = acme.owner.session_id().await;
        let look = |reply: crate::support::Reply| (reply.status, reply.body["error"].clone());
        let unknown = look(bob.delete("/auth/sessions/01890a5d-ac96-774b-bcce-b302099a8057").await);
        assert_eq!(unknown.0, 404);
        for id in [theirs.as_str(), "x", "-", &theirs.to_uppercase(), "%00"] {
            assert_eq!(look(bob.delete(&format!("/auth/sessions/{id}")).await), unknown, "{id}");
        }
        acme.owner.get("/auth/me").await.is(200);
    }

    async fn the_others_or_all_are_ended_and_one_must_say_which(server: Server) {
        let acme = server.tenant("acme").await;
        let bob = server.member(&acme, "member").await;
        let others = [server.sign_in(&bob.email, "acme").await, server.sign_in(&bob.email, "acme").await];
        for query in ["", "?scope=", "?scope=mine", "?scope=all&scope=others", "?which=all"] {
            let error = bob.delete(&format!("/auth/sessions{query}")).await.refused(422, "validation_failed");
            assert!(error["details"][0]["field"].is_string(), "{query}: {error}");
        }
        assert_eq!(ids_of(&bob).await.len(), 4);
        bob.delete("/auth/sessions?scope=others").await.is(204);
        for other in &others {
            is_signed_out(other).await;
        }
        assert_eq!(ids_of(&bob).await, [bob.session_id().await].into());
        let again = server.sign_in(&bob.email, "acme").await;
        bob.delete("/auth/sessions?scope=all").await.is(204);
        is_signed_out(&bob).await;
        is_signed_out(&again).await;
        acme.owner.get("/auth/me").await.is(200);
    }

    async fn se5_the_oldest_of_more_than_fifty_sessions_end(server: Server) {
        let acme = server.tenant("acme").await;
        let mut members = vec![acme.owner.clone()];
        let bystander = server.tenant("other").await.owner;
        for _ in 0..49 {
            members.push(server.sign_in(&acme.owner.email, "acme").await);
        }
        members[0].get("/auth/me").await.is(200);
        for place in 0..2 {
            members.push(server.sign_in(&acme.owner.email, "acme").await);
            is_signed_out(&members[place]).await;
            members[place + 1].get("/auth/me").await.is(200);
            assert_eq!(ids_of(&members[50 + place]).await.len(), 50);
        }
        bystander.get("/auth/me").await.is(200);
        let reasons = "SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL";
        assert_eq!(server.sql.texts(reasons).await, ["too_many"; 2]);
    }

    async fn se5_sessions_that_have_idled_out_push_nobody_out(server: Server) {
        let acme = server.tenant("acme").await;
        for _ in 0..49 {
            server.sign_in(&acme.owner.email, "acme").await;
        }
        let oldest = server.sql.id(&acme.owner.session_id().await);
        let idled_out = format!("UPDATE sessions SET rotated_at = '2020-01-01 00:00:00+00:00' WHERE id <> {oldest}");
        server.sql.execute(&idled_out).await;
        for _ in 0..2 {
            server.sign_in(&acme.owner.email, "acme").await;
        }
        assert_eq!(ids_of(&acme.owner).await.len(), 3);
    }

    async fn se5_not_even_many_at_once_are_more_than_fifty(server: Server) {
        let acme = server.tenant("acme").await;
        for _ in 0..45 {
            server.sign_in(&acme.owner.email, "acme").await;
        }
        let signed_in = join_all((0..20).map(|_| server.sign_in(&acme.owner.email, "acme"))).await;
        assert_eq!(ids_of(&signed_in[0]).await.len(), 50);
        for member in &signed_in {
            member.get("/auth/me").await.is(200);
        }
        assert_eq!(server.sql.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 50);
    }
}

on_both_databases! {
    settings (TRUSTED_PROXIES = "2");

    async fn si4_the_address_is_counted_from_the_right(server: Server) {
        let acme = server.tenant("acme").await;
        for (forwarded, seen) in [
            ("203.0.113.7, 10.0.0.1", "203.0.113.7"),
            ("198.51.100.66, 203.0.113.8, 10.0.0.1", "203.0.113.8"),
            ("127.0.0.1, garbage, [2001:db8::1]:443, 10.0.0.1", "2001:db8::1"),
            ("nonsense, 10.0.0.1", "127.0.0.1"),
        ] {
            let body = json!({ "email": acme.owner.email, "password": PASSWORD });
            let headers = [("x-forwarded-for", forwarded), ("forwarded", "for=192.0.2.1"), ("x-real-ip", "192.0.2.1")];
            let data = server.client().send(Method::POST, "/auth/login", Some(body), &headers).await.is(200);
            let client = server.client().with_token(data["accessToken"].as_str().unwrap());
            let sessions = client.get("/auth/sessions").await.is(200);
            assert_eq!(sessions[0]["ip"], seen, "{forwarded}");
        }
    }
}

on_both_databases! {
    async fn si4_without_proxies_no_header_counts(server: Server) {
        let acme = server.tenant("acme").await;
        let body = json!({ "email": acme.owner.email, "password": PASSWORD });
        let claimed = "203.0.113.7";
        let headers = [("x-forwarded-for", claimed), ("forwarded", "for=203.0.113.7"), ("x-real-ip", claimed)];
        let data = server.client().send(Method::POST, "/auth/login", Some(body), &headers).await.is(200);
        let client = server.client().with_token(data["accessToken"].as_str().unwrap());
        assert_eq!(client.get("/auth/sessions").await.is(200)[0]["ip"], "127.0.0.1");
    }
}
