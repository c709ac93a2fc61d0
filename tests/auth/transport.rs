//! Tests of the two ways in which refresh tokens travel, and of the pages that may use the cookie.

use reqwest::Method;
use serde_json::json;

use crate::support::{Client, PASSWORD, Reply, Tenant};

const APP: &str = "https://app.example.com";
const COOKIE: &str = "__Host-tenantry_refresh";

/// Signs in so that the refresh token travels in the cookie.
async fn sign_in(client: &Client, tenant: &Tenant) -> Reply {
    let body = json!({ "email": tenant.owner.email, "password": PASSWORD, "transport": "cookie" });
    client.post("/auth/login", body).await
}

/// Sends a `POST` as a browser does from a page of that origin.
async fn from_page(client: &Client, path: &str, cookie: &str, origin: Option<&str>) -> Reply {
    let cookie = format!("theme=dark; {COOKIE}={cookie}");
    let mut headers = vec![("cookie", cookie.as_str())];
    headers.extend(origin.map(|origin| ("origin", origin)));
    client.send(Method::POST, path, None, &headers).await
}

/// Returns the value of the refresh cookie and its attributes, sorted.
fn cookie_of(reply: &Reply) -> (String, Vec<String>) {
    let mut parts = reply.header("set-cookie").split("; ");
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    assert_eq!(name, COOKIE);
    let mut attributes: Vec<String> = parts.map(str::to_owned).collect();
    attributes.sort();
    (value.to_owned(), attributes)
}

on_both_databases! {
    settings (CORS_ORIGINS = "https://app.example.com");

    async fn a_refresh_token_in_a_cookie_is_nowhere_else(server: Server) {
        let acme = server.tenant("acme").await;
        let reply = sign_in(&server.client(), &acme).await;
        let (token, attributes) = cookie_of(&reply);
        assert!(token.starts_with("tr_"), "{token}");
        assert_eq!(attributes, ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Strict", "Secure"]);
        assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 1);
        assert!(!reply.text.contains(&token));
        assert!(reply.is(200).get("refreshToken").is_none());

        let next = from_page(&server.client(), "/auth/refresh", &token, Some(APP)).await;
        let (successor, attributes) = cookie_of(&next);
        assert_ne!(successor, token);
        assert_eq!(attributes, ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Strict", "Secure"]);
        let next = next.is(200);
        assert!(next.get("refreshToken").is_none());
        server.client().with_token(next["accessToken"].as_str().unwrap()).get("/auth/me").await.is(200);

        let out = from_page(&server.client(), "/auth/logout", &successor, Some(APP)).await;
        let (nothing, attributes) = cookie_of(&out);
        assert_eq!(nothing, "");
        assert!(attributes.contains(&"Max-Age=0".to_owned()) && attributes.contains(&"Path=/".to_owned()));
        out.is(204);
        from_page(&server.client(), "/auth/refresh", &successor, Some(APP)).await.refused(401, "session_ended");
    }

    async fn a_registration_may_ask_for_the_cookie_and_no_other_transport_exists(server: Server) {
        let body = |transport: &str| json!({
            "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "tenantName": "Engines",
            "transport": transport
        });
        let refused = server.client().post("/auth/register", body("header")).await.refused(422, "validation_failed");
        assert_eq!(refused["details"][0]["field"], "transport");
        let reply = server.client().post("/auth/register", body("cookie")).await;
        assert!(cookie_of(&reply).0.starts_with("tr_"));
        assert!(reply.is(201).get("refreshToken").is_none());
    }

    async fn the_cookie_counts_from_pages_of_allowed_origins_only(server: Server) {
        let acme = server.tenant("acme").await;
        let (token, _) = cookie_of(&sign_in(&server.client(), &acme).await);
        let strangers = [
            None, Some("null"), Some(""), Some("https://app.example.com.evil.example"), Some("http://app.example.com"),
            Some("https://app.example.com:8443"), Some("https://APP.example.com/"), Some("*"),
        ];
        for origin in strangers {
            for path in ["/auth/refresh", "/auth/logout"] {
                let reply = from_page(&server.client(), path, &token, origin).await;
                assert!(!reply.headers.contains_key("access-control-allow-origin"), "{origin:?}");
                reply.refused(403, "origin_not_allowed");
            }
        }
        let (token, _) = cookie_of(&from_page(&server.client(), "/auth/refresh", &token, Some(&server.url())).await);
        from_page(&server.client(), "/auth/refresh", &token, Some(APP)).await.is(200);
    }

    async fn a_refresh_token_in_the_body_needs_no_origin(server: Server) {
        let acme = server.tenant("acme").await;
        let body = json!({ "refreshToken": acme.owner.refresh_token });
        let reply = server.client().post("/auth/refresh", body.clone()).await;
        assert!(!reply.headers.contains_key("set-cookie"));
        assert!(reply.is(200)["refreshToken"].is_string());
        let evil = [("origin", "https://evil.example")];
        server.client().send(Method::POST, "/auth/refresh", Some(body), &evil).await.is(200);
    }

    async fn pages_of_an_allowed_origin_may_call_and_read(server: Server) {
        let acme = server.tenant("acme").await;
        let asks = [
            ("origin", APP), ("access-control-request-method", "PATCH"),
            ("access-control-request-headers", "authorization,content-type,if-match"),
        ];
        let preflight = server.client().send(Method::OPTIONS, "/auth/me", None, &asks).await;
        assert!(preflight.status.is_success(), "{}", preflight.text);
        assert_eq!(preflight.header("access-control-allow-origin"), APP);
        assert_eq!(preflight.header("access-control-allow-credentials"), "true");
        assert!(preflight.header("access-control-allow-methods").contains("PATCH"));
        let allowed = preflight.header("access-control-allow-headers").to_lowercase();
        assert!(["authorization", "content-type", "if-match"].iter().all(|name| allowed.contains(name)), "{allowed}");

        for reply in [
            acme.owner.send(Method::GET, "/auth/me", None, &[("origin", APP)]).await,
            server.client().send(Method::GET, "/auth/me", None, &[("origin", APP)]).await,
        ] {
            assert_eq!(reply.header("access-control-allow-origin"), APP);
            assert_eq!(reply.header("access-control-allow-credentials"), "true");
            let exposed = reply.header("access-control-expose-headers").to_lowercase();
            for name in ["x-request-id", "etag", "location", "retry-after", "ratelimit", "ratelimit-policy"] {
                assert!(exposed.split(',').any(|known| known.trim() == name), "{name} in {exposed}");
            }
            assert!(reply.header("vary").to_lowercase().contains("origin"));
        }
        let evil = [("origin", "https://evil.example")];
        let reply = acme.owner.send(Method::GET, "/auth/me", None, &evil).await;
        assert!(!reply.headers.contains_key("access-control-allow-origin"), "{reply:?}");
        reply.is(200);
    }
}

on_both_databases! {
    async fn without_an_allow_list_no_page_is_told_that_it_may(server: Server) {
        let acme = server.tenant("acme").await;
        let reply = acme.owner.send(Method::GET, "/auth/me", None, &[("origin", APP)]).await;
        assert!(reply.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
        reply.is(200);
        let (token, _) = cookie_of(&sign_in(&server.client(), &acme).await);
        from_page(&server.client(), "/auth/refresh", &token, Some(APP)).await.refused(403, "origin_not_allowed");
    }
}
