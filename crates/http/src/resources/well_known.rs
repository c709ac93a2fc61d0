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
    #[schema(value_type = Vec<JsonWebKey>)]
    keys: Vec<serde_json::Value>,
}

/// A public key that verifies the signatures of access tokens (RFC 8037).
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the keys are rendered once, at the start")]
pub(crate) struct JsonWebKey {
    /// `OKP`
    kty: String,
    /// `Ed25519`
    crv: String,
    /// The public key in base64url.
    x: String,
    /// The thumbprint of the key (RFC 7638), as in the header of a token.
    kid: String,
    /// `EdDSA`
    alg: String,
    /// `sig`
    r#use: String,
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
