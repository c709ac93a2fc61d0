//! The HTTP API: routes, extractors, and the one layer around every request.
//!
//! The crate has three layers, each of which depends only on those before it. `request` holds the parts that every
//! request passes through, `resources` the operations, `document` their descriptions.

mod answer;
mod document;
mod failure;
mod health;
mod links;
mod request;
mod resources;
mod routes;
mod settings;
pub mod vocabulary;

pub(crate) use answer::Answer;
pub use document::{document, error_codes_markdown};
pub use failure::Failure;
pub use health::{Check, Checks, HealthProbe, Status};
pub use request::{App, AppParts, BodyPace, Contract, HttpMetrics, Operation, keep_connection};
pub use resources::{health::liveness, operations};
pub use settings::{ApiSettings, RegistrationPolicy, StorageLimit};

use actix_web::{
    App as ActixApp, Error,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::{Condition, from_fn},
    web,
};

/// Creates the whole HTTP service of one worker.
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
    let origins = &app.settings.cors_origins;
    let cors = Condition::new(!origins.is_empty(), request::cors(origins));
    ActixApp::new()
        .app_data(web::Data::new(app))
        .configure(routes::routes)
        .configure(document::docs::routes)
        .configure(links::routes)
        .default_service(web::to(routes::unrouted))
        .wrap(cors)
        .wrap(from_fn(request::around))
}
