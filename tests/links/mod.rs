//! Tests of `/links/{purpose}`: the pages that mailed links lead to, as servers see them. The module `browser` tests
//! their behaviour.

mod browser;

use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, http};

const PAGES: [(&str, &str); 4] = [
    ("confirm", "Confirm your registration"),
    ("verify", "Confirm your address"),
    ("reset", "Choose a new password"),
    ("invite", "Accept an invitation"),
];
/// No inline code, nothing from other origins, and a form that submits nowhere without its script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

on_both_databases! {
    settings (REGISTRATION = "verified");

    async fn every_purpose_has_a_page_that_may_load_its_own_files_only(server: Server) {
        let nobody = server.client();
        let pages = PAGES.map(|(purpose, title)| (purpose, "text/html; charset=utf-8", title));
        let files = [
            ("page.js", "text/javascript; charset=utf-8", "location.hash"),
            ("page.css", "text/css; charset=utf-8", "prefers-color-scheme"),
        ];
        for (name, content_type, part) in pages.into_iter().chain(files) {
            let reply = nobody.get(&format!("//links/{name}")).await;
            assert_eq!(reply.status, 200, "{name}");
            assert!(reply.text.contains(part), "{name}: {}", reply.text);
            let headers = [
                ("content-type", content_type),
                ("content-security-policy", POLICY),
                ("cache-control", "no-cache"),
                ("x-robots-tag", "noindex"),
                ("referrer-policy", "no-referrer"),
                ("x-content-type-options", "nosniff"),
                ("cross-origin-resource-policy", "same-origin"),
                ("set-cookie", ""),
            ];
            for (header, value) in headers {
                assert_eq!(reply.header(header), value, "{header} of {name}");
            }
        }
    }

    async fn there_are_no_other_pages_and_no_other_methods(server: Server) {
        let nobody = server.client();
        for name in ["", "Confirm", "confirm/", "register", "page.html", "..%2Fconfig", "%FF", "page.js/x"] {
            nobody.get(&format!("//links/{name}")).await.refused(404, "not_found");
        }
        for name in ["confirm", "verify", "reset", "invite", "page.js", "page.css"] {
            let path = format!("//links/{name}");
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let reply = nobody.send(method, &path, Some(json!({ "token": "any" })), &[]).await;
                assert_eq!(reply.header("allow"), "GET, HEAD", "{path}");
                reply.refused(405, "method_not_allowed");
            }
        }
    }

    async fn to_open_a_page_uses_no_link_up(server: Server) {
        let nobody = server.client();
        let body = json!({
            "email": "vera@example.com", "password": PASSWORD, "name": "Vera", "tenantName": "The Vs", "tenantSlug": "the-vs"
        });
        nobody.post("/auth/register", body).await.is(202);
        let mail = server.mail("vera@example.com", "Confirm your registration").await;
        assert_eq!(mail.link(), format!("{}/links/confirm#{}", server.url(), mail.token()));
        // As a scanner of emails requests it, also one that treats the fragment as part of the path.
        for link in [mail.link().to_owned(), mail.link().replace('#', "?"), mail.link().replace('#', "%23")] {
            for method in [Method::HEAD, Method::GET, Method::GET] {
                http().request(method, &link).send().await.unwrap();
            }
        }
        let body = json!({ "token": mail.token(), "password": PASSWORD });
        nobody.post("/auth/register/confirm", body.clone()).await.is(201);
        nobody.post("/auth/register/confirm", body).await.refused(422, "link_invalid");
    }
}
