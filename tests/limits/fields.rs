use serde_json::json;

use super::{parsed, told};
use crate::support::{
    Client, Fixture, Kind, Record, Reply, Server, Settings, Wire,
    routes::{Route, routes},
};

/// Checks the properties of every response that was counted.
#[track_caller]
fn tells_of_limits(reply: &Reply, policies: &[&str]) {
    let (policy, status) = (parsed(reply, "ratelimit-policy"), parsed(reply, "ratelimit"));
    assert_eq!(policy.keys().collect::<Vec<_>>(), policies, "{}", reply.text);
    for parameters in policy.values() {
        assert!(parameters["q"] >= 1 && parameters["w"] == 60, "{policy:?}");
    }
    for (name, parameters) in &status {
        assert!(parameters["r"] < policy[name]["q"] && parameters["t"] >= 1, "{status:?} of {policy:?}");
    }
    let latest = status.values().map(|parameters| parameters["t"]).max().unwrap();
    let retry_after = reply.header("retry-after");
    if reply.status == 429 || !retry_after.is_empty() {
        assert!(retry_after.parse::<u64>().unwrap() >= latest, "Retry-After {retry_after}, but {status:?}");
    }
}

on_both_databases! {
    settings (RATE_LIMITS = "on", RATE_LIMIT_PER_MINUTE = "100", RATE_LIMIT_PLANS_STARTER = "caller=100,tenant=1000");

    async fn answers_tell_what_remains(server: Server) {
        let acme = server.tenant("acme").await;
        for used in 1..=3 {
            let reply = acme.owner.get("/auth/me").await;
            tells_of_limits(&reply, &["caller", "tenant"]);
            for (policy, quota) in [("caller", 100), ("tenant", 1_000)] {
                assert_eq!(told(&reply, "ratelimit-policy", policy, "q"), quota);
                // The quota may have refilled by one meanwhile.
                assert!((quota - used..=quota).contains(&told(&reply, "ratelimit", policy, "r")), "{:?}", reply.headers);
            }
        }
    }

    async fn a_refusal_says_when_to_come_again_and_costs_neither_body_nor_statement(server: Server) {
        let owner = server.tenant("acme").await.owner;
        while owner.get("/auth/me").await.status == 200 {}
        let reply = owner.get("/auth/me").await;
        tells_of_limits(&reply, &["caller", "tenant"]);
        assert_eq!(told(&reply, "ratelimit", "caller", "r"), 0);
        assert_eq!(reply.header("retry-after"), told(&reply, "ratelimit", "caller", "t").to_string());
        reply.refused(429, "rate_limited");

        // The server does not wait for a body that is not sent.
        let mut wire = Wire::to(&server).await;
        let token = owner.access_token.as_deref().unwrap();
        let head = format!(
            "POST /api/v1/roles HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
        );
        wire.send(head.as_bytes()).await;
        assert_eq!(wire.answer(std::time::Duration::from_secs(5)).await.status, 429);

        let mut least = u64::MAX;
        for _ in 0..5 {
            let before = server.app.store.statements();
            owner.get("/users").await.refused(429, "rate_limited");
            least = least.min(server.app.store.statements() - before);
        }
        assert_eq!(least, 0, "housekeeping aside, a refusal takes no statement");

        let wait: u64 = owner.get("/auth/me").await.header("retry-after").parse().unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
        owner.get("/auth/me").await.is(200);
    }

    async fn refusals_that_come_first_come_first(server: Server) {
        let owner = server.tenant("acme").await.owner;
        while owner.get("/auth/me").await.status == 200 {}
        owner.get("/nothing").await.refused(404, "not_found");
        owner.put("/auth/me", json!({})).await.refused(405, "method_not_allowed");
        owner.with_token("forged").get("/auth/me").await.refused(401, "token_invalid");
        owner.post("/roles", json!({ "permissions": 7 })).await.refused(429, "rate_limited");
    }

    async fn what_is_for_everybody_is_not_limited(server: Server) {
        let nobody = server.client();
        while nobody.post("/auth/logout", json!({})).await.status == 204 {}
        for path in ["//livez", "//readyz", "//health", "//.well-known/jwks.json", "//openapi.json", "//docs/", "//links/reset"] {
            let reply = nobody.get(path).await;
            assert_eq!(reply.status, 200, "{path}");
            assert!(!reply.headers.contains_key("ratelimit"), "{path}");
        }
    }
}

/// Returns the settings of a server with few requests per caller, but enough to create the fixture.
fn scarce() -> Settings {
    let plan = "caller=30,tenant=10000";
    Settings::default()
        .set("RATE_LIMITS", "on")
        .set("RATE_LIMIT_PER_MINUTE", "20")
        .set("RATE_LIMIT_PLANS_STARTER", plan)
}

/// Checks that every operation below `/api/v1` reports limits and refuses one request too many, for every caller, and
/// records it.
pub(crate) async fn of_every_operation(kind: Kind, record: &Record) {
    let server = Server::start(kind, scarce()).await;
    let acme = Fixture::of(&server, "acme").await;
    let (owner, nobody) = (&acme.tenant.owner, server.client());
    let limited: Vec<&Route> = routes().iter().filter(|route| route.template.starts_with("/api/v1/")).collect();
    assert!(limited.len() > 40, "{}", limited.len());
    for route in &limited {
        // The quota refills by one every two or three seconds.
        while owner.get("/auth/me").await.status == 200 {}
        while nobody.post("/auth/logout", json!({})).await.status == 204 {}
        let path = route.path(&acme.ids_for(route));
        let caller: &Client = if route.is_public() { &nobody } else { owner };
        let policies: &[&str] = if route.is_public() { &["caller"] } else { &["caller", "tenant"] };
        let reply = route.ask(caller, &path, acme.body_for(route), &[]).await;
        tells_of_limits(&reply, policies);
        record.note(&reply);
        reply.refused(429, "rate_limited");
        if !route.is_public() {
            let reply = route.ask(&nobody, &path, acme.body_for(route), &[]).await;
            tells_of_limits(&reply, &["caller"]);
            reply.refused(401, "unauthenticated");
        }
    }
}
