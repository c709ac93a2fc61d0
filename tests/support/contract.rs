//! Checks every response that a test gets against the API document.

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};
use tenantry_app::vocabulary::error_codes;

use super::{
    Reply,
    routes::{document, route},
};

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

/// Checks that the response's status, code, headers and body are documented for its operation.
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
    for name in [
        "Accept-Ranges",
        "Content-Disposition",
        "Content-Range",
        "ETag",
        "Idempotency-Replayed",
        "Location",
        "Retry-After",
        "Set-Cookie",
        "WWW-Authenticate",
    ] {
        let is_there = reply.headers.contains_key(name);
        assert!(!is_there || declares(name), "{id} answered {status} with {name}, which is not documented");
    }
    fits_schema(reply, documented, &id);
}

/// Checks that JSON has the documented schema, and that nothing is sent where no body is documented.
#[track_caller]
fn fits_schema(reply: &Reply, documented: &Value, id: &str) {
    let status = reply.status;
    let Some(content) = documented["content"].as_object() else {
        assert!(reply.bytes.is_empty(), "{id} answered {status} with a body, which is not documented: {}", reply.text);
        return;
    };
    let Some(media) = content.get("application/json") else { return };
    assert_eq!(reply.header("content-type"), "application/json", "{id} {status}");
    let validator = validator_of(&media["schema"]);
    let misfits = validator.iter_errors(&reply.body).map(|error| format!("{}: {error}", error.instance_path()));
    let misfits: Vec<String> = misfits.collect();
    assert!(
        misfits.is_empty(),
        "{id} answered {status} with another body than documented: {misfits:#?}\n{}",
        reply.text
    );
}

/// Returns the validator of a schema of the document. Each is created once.
fn validator_of(schema: &Value) -> Arc<Validator> {
    static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut validators = VALIDATORS.lock().unwrap();
    let made = || {
        let mut whole = closed(schema, true);
        whole["components"]["schemas"] = SCHEMAS.clone();
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        Arc::new(options.build(&whole).unwrap())
    };
    validators.entry(schema.to_string()).or_insert_with(made).clone()
}

/// The named schemas of the document, closed.
static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    let schemas = document()["components"]["schemas"].as_object().unwrap().iter();
    schemas.map(|(name, schema)| (name.clone(), closed(schema, false))).collect()
});

/// Returns a schema that refuses fields without a description, which the document allows: the API may get more fields.
/// A schema that others are made of is closed only where a value must have it.
fn closed(schema: &Value, is_whole: bool) -> Value {
    let Some(members) = schema.as_object() else { return schema.clone() };
    let of_each = |value: &Value, is_whole| match value {
        Value::Object(named) => named.iter().map(|(name, one)| (name.clone(), closed(one, is_whole))).collect(),
        Value::Array(list) => list.iter().map(|one| closed(one, is_whole)).collect(),
        other => other.clone(),
    };
    let mut copy: Map<String, Value> = members.clone();
    for (keyword, value) in &mut copy {
        *value = match keyword.as_str() {
            "properties" => of_each(value, true),
            "items" | "additionalProperties" => closed(value, true),
            "allOf" | "anyOf" | "oneOf" => of_each(value, false),
            _ => continue,
        };
    }
    if is_whole {
        copy.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    Value::Object(copy)
}
