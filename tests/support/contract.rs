//! Checks every response that a test gets against the API document.

use tenantry_app::vocabulary::error_codes;

use super::{Reply, routes::route};

/// Headers that only some responses of a status carry, or none where limits are off, as in most tests.
const OPTIONAL: &[&str] = &["Set-Cookie", "Idempotency-Replayed", "RateLimit-Policy", "RateLimit"];

/// Internal details that no response may contain.
const INTERNAL: &[&str] = &[
    "select ",
    "insert ",
    "update ",
    "delete from",
    "sqlx",
    "sqlite",
    "postgres",
    "sea_orm",
    "sea-orm",
    "actix",
    "serde",
    "tokio",
    "panicked",
    "unwrap",
    "/root/",
    "/home/",
    "crates/",
    ".rs:",
    "rustc",
    " at line ",
    "expected ",
    "constraint",
    env!("CARGO_PKG_VERSION"),
];

/// Checks that a failure has the text of its code, and reveals no SQL, paths, versions or libraries (HARDENING IN4).
#[track_caller]
pub(crate) fn tells_nothing_of_the_inside(reply: &Reply) {
    let error = &reply.body["error"];
    if error.is_null() {
        return;
    }
    let (code, text) = (error["code"].as_str().unwrap(), error.to_string().to_lowercase());
    let known =
        error_codes().into_iter().find(|known| known.name() == code).unwrap_or_else(|| panic!("{code} is no code"));
    assert_eq!(error["message"], known.sentence());
    for word in INTERNAL {
        assert!(!text.contains(word), "a failure reveals {word:?}: {text}");
    }
    for detail in error["details"].as_array().into_iter().flatten() {
        let message = detail["message"].as_str().unwrap();
        assert!(message.ends_with('.') && message.starts_with(char::is_uppercase), "{message} is no sentence");
    }
}

/// Checks that the response's status, code and headers are documented for its operation.
#[track_caller]
pub(crate) fn hold(reply: &Reply) {
    tells_nothing_of_the_inside(reply);
    let Some(id) = reply.operation() else { return };
    let route = route(&id);
    let status = reply.status.as_u16();
    let Some(documented) = route.response(status) else {
        panic!("{id} answered {status}, which is not documented: {}", reply.text);
    };
    if let Some(code) = reply.body["error"]["code"].as_str() {
        assert!(route.documented_codes().contains(code), "{id} answered {code}, which is not documented");
    }
    let declares = |name: &str| documented["headers"].get(name).is_some();
    for name in documented["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
        let is_there = reply.headers.contains_key(name.as_str());
        assert!(is_there || OPTIONAL.contains(&name.as_str()), "{id} answered {status} without {name}");
    }
    for name in ["ETag", "Location", "Set-Cookie", "Retry-After", "WWW-Authenticate", "Idempotency-Replayed"] {
        let is_there = reply.headers.contains_key(name);
        assert!(!is_there || declares(name), "{id} answered {status} with {name}, which is not documented");
    }
}
