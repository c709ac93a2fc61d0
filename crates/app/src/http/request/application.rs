//! The application, as handlers and extractors take it.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};

use crate::{App, Failure};

impl FromRequest for App {
    type Error = Failure;
    type Future = std::future::Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(app_of(request).clone()))
    }
}

/// Returns the application that serves a request.
pub(crate) fn app_of(request: &HttpRequest) -> &App {
    request.app_data::<web::Data<App>>().map(|app| app.get_ref()).unwrap_or_else(|| unreachable!("set by `service`"))
}
