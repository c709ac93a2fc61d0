use reqwest::Method;
use serde_json::json;

use crate::support::{Client, Reply};

const ALLOWED: &str = "https://app.example.com";
const EXPOSED: [&str; 6] = ["etag", "location", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id"];

/// Origins that resemble the allowed one, but are not allowed.
const OTHERS: [&str; 8] = [
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com:444",
    "https://app.example.com.evil.example",
    "https://sub.app.example.com",
    "HTTPS://APP.EXAMPLE.COM",
    "null",
    "https://app.example.com/",
];

async fn preflight(client: &Client, origin: &str, method: &str) -> Reply {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", "authorization, content-type, if-match"),
    ];
    client.send(Method::OPTIONS, "/roles", None, &headers).await
}

fn listed(reply: &Reply, header: &str) -> Vec<String> {
    let mut list: Vec<String> = reply.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    list.sort();
    list
}

on_both_databases! {
    settings (CORS_ORIGINS = "https://app.example.com, http://localhost:5173");

    async fn pages_of_allowed_origins_may_call(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for origin in [ALLOWED, "http://localhost:5173"] {
            let asked = preflight(&server.client(), origin, "PATCH").await;
            assert!(asked.status.is_success(), "{}", asked.text);
            assert_eq!(asked.header("access-control-allow-origin"), origin);
            assert_eq!(asked.header("access-control-allow-credentials"), "true");
            assert_eq!(listed(&asked, "access-control-allow-methods"), ["delete", "get", "patch", "post", "put"]);
            assert_eq!(listed(&asked, "access-control-allow-headers"), ["authorization", "content-type", "idempotency-key", "if-match"]);
            for path in ["/roles", "/nothing", "/roles?limit=0"] {
                let reply = owner.send(Method::GET, path, None, &[("origin", origin)]).await;
                assert_eq!(reply.header("access-control-allow-origin"), origin, "{path}");
                assert_eq!(reply.header("access-control-allow-credentials"), "true", "{path}");
                assert_eq!(listed(&reply, "access-control-expose-headers"), EXPOSED, "{path}");
                assert!(listed(&reply, "vary").contains(&"origin".to_owned()), "{path}");
            }
        }
    }

    async fn pages_of_other_origins_may_not_read(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for origin in OTHERS {
            for method in ["GET", "PATCH"] {
                let asked = preflight(&server.client(), origin, method).await;
                assert!(!asked.headers.contains_key("access-control-allow-origin"), "{origin}");
            }
            let reply = owner.send(Method::GET, "/roles", None, &[("origin", origin)]).await;
            assert!(!reply.headers.contains_key("access-control-allow-origin"), "{origin}");
        }
        let reply = owner.get("/roles").await;
        assert_ne!(reply.header("access-control-allow-origin"), "*");
    }

    async fn the_cookie_is_taken_from_pages_of_allowed_origins_only(server: Server) {
        let acme = server.tenant("acme").await;
        let body = json!({ "email": acme.owner.email, "password": crate::support::PASSWORD, "transport": "cookie" });
        let reply = server.client().post("/auth/login", body).await;
        let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        let refresh = |origin: Option<&'static str>| {
            let (client, cookie) = (server.client(), cookie.clone());
            async move {
                let origin = origin.map(|origin| ("origin", origin));
                let headers: Vec<_> = [("cookie", cookie.as_str())].into_iter().chain(origin).collect();
                client.send(Method::POST, "/auth/refresh", None, &headers).await
            }
        };
        for origin in OTHERS.map(Some).into_iter().chain([None]) {
            refresh(origin).await.refused(403, "origin_not_allowed");
        }
        refresh(Some(ALLOWED)).await.is(200);
    }
}

mod without_a_list {
    use super::{ALLOWED, preflight};

    on_both_databases! {
        async fn no_page_of_another_origin_may_call(server: Server) {
            let asked = preflight(&server.client(), ALLOWED, "GET").await;
            assert_eq!(asked.status, 405);
            let own = server.app.public_url.clone();
            for origin in [ALLOWED, &own, "*"] {
                let reply = server.client().send(reqwest::Method::GET, "/roles", None, &[("origin", origin)]).await;
                assert!(!reply.headers.contains_key("access-control-allow-origin"), "{origin}");
                reply.refused(401, "unauthenticated");
            }
        }
    }
}
