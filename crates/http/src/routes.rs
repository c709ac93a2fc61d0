//! The routes of every resource, and the response to unmatched requests.

use actix_web::{HttpRequest, HttpResponse, dev::ResourceDef, http::header, web};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use super::{
    request::{API, Route},
    resources::{RESOURCES, operations},
};

/// Adds the routes of every resource.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    let mut api: BTreeMap<&str, Vec<&'static Route>> = BTreeMap::new();
    for resource in RESOURCES.iter() {
        for route in &resource.routes {
            if let Some(path) = route.operation.path.strip_prefix(API) {
                api.entry(path).or_default().push(route);
            } else {
                config.service(route.serve());
            }
        }
    }
    let mut scope = web::scope(API);
    for (path, routes) in &api {
        for route in routes {
            scope = scope.service(route.serve());
        }
        // Another method of a fixed word must not match a path with a parameter in the word's place.
        if api.keys().any(|other| may_match_alike(path, other)) {
            scope = scope.service(web::resource(*path).to(unrouted));
        }
    }
    config.service(scope);
}

/// Returns whether some path matches both of these different templates.
fn may_match_alike(one: &str, other: &str) -> bool {
    let is_parameter = |segment: &str| segment.starts_with('{');
    let (segments, others) = (one.split('/'), other.split('/'));
    one != other
        && segments.clone().count() == others.clone().count()
        && segments.zip(others).all(|(one, other)| one == other || is_parameter(one) || is_parameter(other))
}

/// Responds to an unmatched request: an unknown path, or a known one with another method. The layer renders the
/// failure.
pub(super) async fn unrouted(request: HttpRequest) -> HttpResponse {
    let path = request.match_info().as_str();
    match PATHS.iter().find(|(known, _)| known.is_match(path)) {
        None => HttpResponse::NotFound().finish(),
        Some((_, methods)) => {
            HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, methods.as_str())).finish()
        }
    }
}

/// Each path with its methods, as `Allow` lists them. In this order a path with a fixed word precedes the one with a
/// parameter in the same position.
static PATHS: LazyLock<Vec<(ResourceDef, String)>> = LazyLock::new(|| {
    let mut paths: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for operation in operations() {
        paths.entry(&operation.path).or_default().insert(operation.method.as_str());
    }
    let allow = |methods: BTreeSet<&str>| methods.into_iter().collect::<Vec<_>>().join(", ");
    paths.into_iter().map(|(path, methods)| (ResourceDef::new(path), allow(methods))).collect()
});
