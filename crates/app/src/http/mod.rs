//! The HTTP API: routes, extractors, and the one layer around every request.
//!
//! Three layers, each of which names those before it only: `request` is what every request passes through, `resources`
//! are the operations, `document` describes them.

mod document;
mod links;
mod request;
mod resources;
mod routes;

pub use document::{document, error_codes_markdown};
pub(crate) use request::operation_of;
pub use request::{BodyPace, Contract, Operation, keep_connection};
pub(crate) use resources::health::say_whether_alive;
pub use resources::operations;

use actix_web::{
    App as ActixApp, Error,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::{Condition, from_fn},
    web,
};

use crate::App;

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
    let origins = &app.config.http.cors_origins;
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
