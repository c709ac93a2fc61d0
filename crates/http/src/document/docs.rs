//! Routes of `/docs` and `/openapi.json`.

use actix_web::{
    HttpResponse,
    dev::{Service, ServiceResponse},
    http::header::{self, HeaderValue},
    web,
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::App;

/// Content security policy of the pages. Swagger UI has inline styles, and its style sheet contains images.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// Adds the routes of the OpenAPI document and of the pages that show it.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let pages = web::scope("/docs")
        .wrap_fn(|request, service| {
            let answered = service.call(request);
            async move {
                let mut response: ServiceResponse<_> = answered.await?;
                response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY);
                Ok(response)
            }
        })
        .service(SwaggerUi::new("/{_:.*}").config(Config::from("/openapi.json").try_it_out_enabled(true)));
    config.route("/openapi.json", web::get().to(openapi)).route("/docs", web::get().to(to_pages)).service(pages);
}

async fn openapi(app: App) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(app.document.clone())
}

async fn to_pages() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}
