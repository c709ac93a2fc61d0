use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

use crate::support::{
    Client, Reply,
    routes::{document, routes},
};

const ALLOWED: &str = "https://app.example.com";
/// Headers that pages may read of every response (Fetch, "CORS-safelisted response-header name"), and the one that none
/// may.
const NOT_TO_EXPOSE: [&str; 8] = [
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
    "set-cookie",
];

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
    preflight_with(client, origin, method, "authorization, content-type, if-match").await
}

async fn preflight_with(client: &Client, origin: &str, method: &str, names: &str) -> Reply {
    let headers =
        [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", names)];
    client.send(Method::OPTIONS, "/roles", None, &headers).await
}

/// Returns every request header that the document describes, and `traceparent`.
fn documented_request_headers() -> BTreeSet<String> {
    assert!(document()["components"]["securitySchemes"]["bearer"].is_object());
    let parameters = routes().iter().flat_map(|route| route.shape["parameters"].as_array().into_iter().flatten());
    let headers = parameters.filter(|parameter| parameter["in"] == "header");
    let headers = headers.map(|parameter| parameter["name"].as_str().unwrap().to_ascii_lowercase());
    headers.chain(["authorization", "content-type", "traceparent"].map(str::to_owned)).collect()
}

/// Returns every response header that the document describes and that pages can read only where it is exposed.
fn documented_response_headers() -> BTreeSet<String> {
    let responses = routes().iter().flat_map(|route| route.shape["responses"].as_object().unwrap().values());
    let names = responses.flat_map(|response| response["headers"].as_object().unwrap().keys());
    names.map(|name| name.to_ascii_lowercase()).filter(|name| !NOT_TO_EXPOSE.contains(&name.as_str())).collect()
}

fn listed(reply: &Reply, header: &str) -> BTreeSet<String> {
    reply.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
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
            let methods = ["delete", "get", "head", "patch", "post", "put"].map(str::to_owned);
            assert_eq!(listed(&asked, "access-control-allow-methods"), BTreeSet::from(methods));
            assert_eq!(listed(&asked, "access-control-allow-headers"), documented_request_headers());
            for path in ["/roles", "/nothing", "/roles?limit=0"] {
                let reply = owner.send(Method::GET, path, None, &[("origin", origin)]).await;
                assert_eq!(reply.header("access-control-allow-origin"), origin, "{path}");
                assert_eq!(reply.header("access-control-allow-credentials"), "true", "{path}");
                assert_eq!(listed(&reply, "access-control-expose-headers"), documented_response_headers(), "{path}");
                assert!(listed(&reply, "vary").contains("origin"), "{path}");
            }
        }
    }

    async fn pages_may_send_the_documented_headers_and_no_others(server: Server) {
        let nobody = server.client();
        for names in ["range", "if-none-match", "if-range,range", "traceparent", "Authorization,, Range,", "", ",", " "] {
            for method in ["GET", "HEAD", "POST"] {
                let asked = preflight_with(&nobody, ALLOWED, method, names).await;
                assert!(asked.status.is_success(), "{method} {names:?}: {}", asked.text);
                assert_eq!(asked.header("access-control-allow-origin"), ALLOWED, "{names:?}");
            }
        }
        for names in ["x-tenant-id", "range, cookie", "a b"] {
            preflight_with(&nobody, ALLOWED, "GET", names).await.refused(400, "malformed_body");
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
