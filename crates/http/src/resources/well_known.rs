//! Operations of `/.well-known`.

use actix_web::{HttpResponse, http::header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    App,
    request::{Contract, Resource, handler},
};

pub(crate) fn resource() -> Resource {
    Resource::outside_api().operation(handler!(jwks), Contract::public(&[], &[]))
}

/// A JSON Web Key set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct KeySet {
    #[schema(value_type = Vec<Object>)]
    keys: Vec<serde_json::Value>,
}

/// Get the public keys that verify access tokens
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "auth",
    responses((status = 200, description = "The valid keys: several during a rotation.", body = KeySet,
        headers(("Cache-Control" = String, description = "How long clients may cache the keys."))))
)]
pub(crate) async fn jwks(app: App) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .content_type("application/json")
        .body(app.jwks.clone())
}
