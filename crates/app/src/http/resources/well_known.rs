//! `/.well-known`

use actix_web::{HttpResponse, get, http::header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::App;

use super::openapi::Operation;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(jwks);
}

pub(crate) const OPERATIONS: &[Operation] = &[Operation::public("jwks", &[], &[])];

/// A JSON Web Key set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct KeySet {
    #[schema(value_type = Vec<Object>)]
    keys: Vec<serde_json::Value>,
}

/// The keys by which access tokens can be checked.
#[utoipa::path(
    tag = "auth",
    responses((status = 200, description = "The live keys; several during a rotation.", body = KeySet,
        headers(("Cache-Control" = String, description = "How long they may be kept."))))
)]
#[get("/.well-known/jwks.json")]
pub(crate) async fn jwks(app: App) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .content_type("application/json")
        .body(app.jwks.clone())
}
