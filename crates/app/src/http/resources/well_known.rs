//! Operations of `/.well-known`.

use actix_web::{HttpResponse, http::header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    App,
    http::request::{Contract, Resource, handler},
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

/// The keys by which access tokens can be checked.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "auth",
    responses((status = 200, description = "The live keys; several during a rotation.", body = KeySet,
        headers(("Cache-Control" = String, description = "How long they may be kept."))))
)]
pub(crate) async fn jwks(app: App) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .content_type("application/json")
        .body(app.jwks.clone())
}
