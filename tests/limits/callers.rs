use reqwest::Method;
use serde_json::{Value, json};
use tenantry_identity::address_key;
use tenantry_tenancy::Plan;

use super::{admitted, told};
use crate::support::{Client, Reply, eventually};

async fn logs_out_from(client: &Client, forwarded: &str) -> Reply {
    client.send(Method::POST, "/auth/logout", Some(json!({})), &[("x-forwarded-for", forwarded)]).await
}

on_both_databases! {
    settings (
        RATE_LIMITS = "on", TRUSTED_PROXIES = "1", RATE_LIMIT_PER_MINUTE = "10",
        RATE_LIMIT_PLANS_STARTER = "caller=6,tenant=9", RATE_LIMIT_PLANS_PRO = "caller=40,tenant=60"
    );

    async fn si4_who_is_not_signed_in_counts_by_the_address_that_proxies_vouch_for(server: Server) {
        let nobody = server.client();
        for number in 0..10 {
            // Any client can write the entries further left.
            let reply = logs_out_from(&nobody, &format!("198.51.100.{number}, 203.0.113.7")).await;
            assert_eq!(told(&reply, "ratelimit", "caller", "r"), 9 - number);
            reply.is(204);
        }
        logs_out_from(&nobody, "203.0.113.7").await.refused(429, "rate_limited");
        logs_out_from(&nobody, "203.0.113.8").await.is(204);
        // A customer's whole network counts as one.
        for host in 1..=10 {
            logs_out_from(&nobody, &format!("2001:db8:0:7::{host:x}")).await.is(204);
        }
        logs_out_from(&nobody, "2001:db8:0:7:ffff::1").await.refused(429, "rate_limited");
        logs_out_from(&nobody, "2001:db8:0:8::1").await.is(204);
        assert_eq!(address_key("2001:db8:0:7:ffff::1".parse().ok()), "2001:db8:0:7::/64");
    }

    async fn head_counts_like_get(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for (method, left) in [(Method::HEAD, 5), (Method::GET, 4), (Method::HEAD, 3)] {
            let reply = owner.send(method, "/auth/me", None, &[]).await;
            assert_eq!((reply.status.as_u16(), told(&reply, "ratelimit", "caller", "r")), (200, left));
        }
    }

    async fn bad_tokens_count_for_their_address(server: Server) {
        let from = [("x-forwarded-for", "203.0.113.9")];
        let forger = server.client().with_token("forged");
        for _ in 0..12 {
            forger.send(Method::GET, "/auth/me", None, &from).await.refused(401, "token_invalid");
        }
        logs_out_from(&server.client(), "203.0.113.9").await.refused(429, "rate_limited");
    }

    async fn a_tenant_has_a_limit_of_its_own(server: Server) {
        let acme = server.tenant("acme").await;
        let nobody = server.client();
        let home = nobody.send(
            Method::POST,
            "/auth/register",
            Some(json!({
                "email": "bob@home.example", "password": crate::support::PASSWORD, "name": "Bob", "tenantName": "Home"
            })),
            &[("x-forwarded-for", "203.0.113.1")],
        );
        assert_eq!(home.await.status, 201);
        server.join(&acme, "bob@home.example", "viewer").await;
        let body = json!({ "email": "bob@home.example", "password": crate::support::PASSWORD, "tenantSlug": "acme" });
        let from = [("x-forwarded-for", "203.0.113.1")];
        let signed_in = nobody.send(Method::POST, "/auth/login", Some(body), &from).await.is(200);
        let bob = server.client().with_token(signed_in["accessToken"].as_str().unwrap());

        assert_eq!(admitted(&acme.owner, 10).await, 6, "a caller's");
        assert_eq!(admitted(&bob, 4).await, 3, "what the others of the tenant have left");
        let reply = bob.get("/auth/me").await;
        assert_eq!((told(&reply, "ratelimit", "tenant", "r"), told(&reply, "ratelimit-policy", "tenant", "q")), (0, 9));
        reply.refused(429, "rate_limited");
    }

    async fn te5_nobody_uses_up_what_is_anothers(server: Server) {
        let (acme, globex) = (server.tenant("acme").await, server.tenant("globex").await);
        server.join(&globex, &acme.owner.email, "viewer").await;
        assert_eq!(admitted(&acme.owner, 8).await, 6);
        let body = json!({
            "email": acme.owner.email, "password": crate::support::PASSWORD, "tenantSlug": "globex"
        });
        let there = server.client().send(Method::POST, "/auth/login", Some(body), &[]).await.is(200);
        let there = server.client().with_token(there["accessToken"].as_str().unwrap());
        assert_eq!(admitted(&there, 1).await, 1, "the same person in another tenant");
        assert_eq!(admitted(&globex.owner, 8).await, 6);
        acme.owner.get("/auth/me").await.refused(429, "rate_limited");
    }

    async fn a_new_plan_bites_at_once(server: Server) {
        let acme = server.tenant("acme").await;
        assert_eq!(admitted(&acme.owner, 8).await, 6);
        let quota = |reply: &Reply| told(reply, "ratelimit-policy", "caller", "q");
        server.order_plan(&acme, Plan::named("pro").unwrap()).await;
        eventually("the greater plan takes effect", async || quota(&acme.owner.get("/auth/me").await) == 40).await;
        acme.owner.get("/auth/me").await.is(200);
        server.order_plan(&acme, Plan::first()).await;
        eventually("the smaller plan takes effect", async || quota(&acme.owner.get("/auth/me").await) == 6).await;
        let reply = acme.owner.get("/auth/me").await;
        assert_eq!(reply.body["data"]["tenant"]["plan"].as_str().unwrap_or("starter"), "starter");
        assert!(admitted(&acme.owner, 8).await <= 6);
        assert_eq!(acme.owner.get("/auth/me").await.body["error"]["code"], Value::from("rate_limited"));
    }
}
