//! Query strings: parsed strictly, each parameter at most once.

use actix_web::HttpRequest;
use serde::de::DeserializeOwned;
use std::str::FromStr;
use tenantry_kernel::{Direction, ErrorCode};
use url::form_urlencoded;

use crate::Failure;

use super::{
    body::{FieldErrors, misfit},
    operation::{Operation, operation_of},
};

/// Parses the parameters of a request's query. Types deny unknown fields and take every value as text.
pub(crate) fn parse_query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Failure> {
    parse_query_string(request.query_string())
}

/// Fails with `validation_failed` when the request has query parameters and its operation takes none. A client that
/// adds `dryRun=true` in a wrong place must not be told that all went well.
pub(super) fn require_known_parameters(request: &HttpRequest) -> Result<(), Failure> {
    let first = form_urlencoded::parse(request.query_string().as_bytes()).next();
    match first {
        Some((name, _)) if operation_of(request).is_some_and(Operation::refuses_query) => {
            Err(Failure::invalid(vec![misfit("", &format!("unknown field `{name}`"))]))
        }
        _ => Ok(()),
    }
}

/// Parses the parameters of a query string.
pub(super) fn parse_query_string<T: DeserializeOwned>(query: &str) -> Result<T, Failure> {
    serde_urlencoded::from_str(query).map_err(|error| Failure::invalid(vec![misfit("", &error.to_string())]))
}

/// Parses the sort order of a list: one of the list's fields and a direction. Returns the default after adding an
/// error.
pub(crate) fn parse_sort<F: Copy>(
    text: Option<&str>,
    fields: &[(&str, F)],
    default: (F, Direction),
    errors: &mut FieldErrors,
) -> (F, Direction) {
    let Some(text) = text else { return default };
    let (name, direction) = match text.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (text, Direction::Ascending),
    };
    match fields.iter().find(|(known, _)| *known == name) {
        Some((_, field)) => (*field, direction),
        None => {
            errors.take::<(), _>("sort", Err("is not a field that this list can be sorted by"));
            default
        }
    }
}

/// Parses an id from the path. A malformed id is answered with 404.
pub(crate) fn path_id<T: FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::new(ErrorCode::NOT_FOUND))
}
