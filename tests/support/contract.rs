//! What the document promises, held against every answer that a test gets.

use super::{Reply, routes::route};

/// Headers that only some answers of a status carry.
const OPTIONAL: &[&str] = &["Set-Cookie"];

/// The answer's status, code and headers are the documented ones of its operation.
#[track_caller]
pub(crate) fn hold(reply: &Reply) {
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
    for name in ["ETag", "Location", "Set-Cookie", "Retry-After", "WWW-Authenticate"] {
        let is_there = reply.headers.contains_key(name);
        assert!(!is_there || declares(name), "{id} answered {status} with {name}, which is not documented");
    }
}
