//! The routes of every resource, and the response to unmatched requests.

use actix_web::{HttpRequest, HttpResponse, dev::ResourceDef, http::header, web};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use super::{
    request::API,
    resources::{RESOURCES, operations},
};

/// Adds the routes of every resource.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    let mut api = web::scope(API);
    for resource in RESOURCES.iter() {
        for route in &resource.routes {
            if resource.root == API {
                api = api.service(route.serve());
            } else {
                config.service(route.serve());
            }
        }
    }
    config.service(api);
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

/// Each path with its methods, as `Allow` lists them. A path with a literal segment precedes the one with a parameter
/// in the same position.
static PATHS: LazyLock<Vec<(ResourceDef, String)>> = LazyLock::new(|| {
    let mut paths: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for operation in operations() {
        paths.entry(&operation.path).or_default().insert(operation.method.as_str());
    }
    let allow = |methods: BTreeSet<&str>| methods.into_iter().collect::<Vec<_>>().join(", ");
    paths.into_iter().map(|(path, methods)| (ResourceDef::new(path), allow(methods))).collect()
});
