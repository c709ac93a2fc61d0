//! What clients say and hear: routes, extractors, and the one layer around every request.

mod document;
mod links;
mod request;
mod resources;

use document::{docs, openapi};
use request::{body, caller, errors, idempotency, if_match, layer, origin, query};
use resources::{
    audit_logs, auth, files, health, invitations, jobs, permissions, roles, tenant, tenants, users, well_known,
};

pub use document::{
    error_codes::error_codes_markdown,
    openapi::{Operation, document, operations},
};
pub use request::connection::keep_connection;
pub(crate) use resources::health::say_whether_alive;

use actix_web::{
    App as ActixApp, Error,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::{Condition, from_fn},
    web,
};
use std::str::FromStr;
use tenantry_kernel::ErrorCode;
use utoipa_actix_web::{AppExt, scope, service_config::ServiceConfig};

use crate::{App, Failure};

/// The whole HTTP service of one worker.
pub fn service(
    app: App,
) -> ActixApp<
    impl ServiceFactory<
        ServiceRequest,
        Response = ServiceResponse<impl MessageBody>,
        Config = (),
        InitError = (),
        Error = Error,
    >,
> {
    let cors = Condition::new(!app.config.http.cors_origins.is_empty(), origin::cors(&app.config.http.cors_origins));
    let (service, _) =
        ActixApp::new().app_data(web::Data::new(app)).into_utoipa_app().configure(routes).split_for_parts();
    service
        .configure(docs::routes)
        .configure(links::routes)
        .default_service(web::to(errors::unrouted))
        .wrap(cors)
        .wrap(from_fn(layer::around))
}

/// Every documented route.
fn routes(config: &mut ServiceConfig<'_>) {
    let api = scope("/api/v1")
        .configure(auth::routes)
        .configure(tenant::routes)
        .configure(tenants::routes)
        .configure(invitations::routes)
        .configure(users::routes)
        .configure(roles::routes)
        .configure(permissions::routes)
        .configure(files::routes)
        .configure(jobs::routes)
        .configure(audit_logs::routes);
    config.service(api).configure(health::routes).configure(well_known::routes);
}

/// The id in a path; what is none is treated like an unknown one.
fn path_id<T: FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::new(ErrorCode::NOT_FOUND))
}
