//! The one layer around every request: request id, unread bodies, panics, the envelope of failures, headers.

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        ConnectionType, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use tenantry_kernel::{ErrorCode, ErrorKind, RequestId, TraceContext};
use tenantry_service::{chain, log_context::LogContext};

use crate::{App, Failure};

use super::{
    app::app_of,
    connection::{Socket, asks_for_websocket, has_body, was_read},
    errors::{failure_of_status, render},
    head::{allow_beside_get, route_as_get, without_bytes},
    limits::RateLimitHeaders,
    origin::{choose_trace, drop_empty_elements},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// Two years, as browsers' preload lists require.
const TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// Wraps every request. This is the outermost layer.
pub(crate) async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let app = app_of(request.request()).clone();
    let trace = choose_trace(request.request(), &app);
    request.extensions_mut().insert(trace);
    LogContext::new(trace).around(answer(app, trace, request, next)).await
}

async fn answer(
    app: App,
    trace: TraceContext,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = trace.request;
    let measured = app.metrics.begin(request.method());
    let is_head = route_as_get(&mut request);
    drop_empty_elements(request.headers_mut());
    let body = ReceivedBody::of(&request);

    let handled = async {
        if asks_for_websocket(request.headers()) {
            return Ok(request.error_response(Failure::new(ErrorCode::MALFORMED_BODY)));
        }
        next.call(request).await.map(ServiceResponse::map_into_boxed_body)
    };
    let Ok(outcome) = AssertUnwindSafe(handled).catch_unwind().await else {
        tracing::error!("a request panicked");
        measured.end(None, StatusCode::INTERNAL_SERVER_ERROR);
        return Err(panicked(&app, id));
    };
    let mut response = outcome?;
    if let Some(failure) = failure_of(&response) {
        log(&failure, &response);
        let rendered = render(&failure, Some(id));
        response = replace(response, rendered);
    }
    if response.status().is_client_error() || response.status().is_server_error() {
        body.close_if_unread(&mut response);
    }
    add_headers(response.headers_mut(), &app, id);
    allow_beside_get(response.headers_mut());
    if let Some(headers) = RateLimitHeaders::take(response.request()) {
        headers.add_to(response.headers_mut());
    }
    measured.end(Some(response.request()), response.status());
    Ok(if is_head { without_bytes(response) } else { response })
}

/// The socket from which a request's body comes; `None` for a request without a body.
struct ReceivedBody(Option<Option<Socket>>);

impl ReceivedBody {
    fn of(request: &ServiceRequest) -> Self {
        Self(has_body(request.headers()).then(|| request.request().conn_data::<Socket>().cloned()))
    }

    /// Closes the connection if the body was not read to its end. The response announces this with `Connection: close`,
    /// so that the client sends no further request on the connection.
    fn close_if_unread(self, response: &mut ServiceResponse<BoxBody>) {
        if let Some(socket) = self.0
            && !was_read(response.request())
        {
            response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            if let Some(socket) = socket {
                socket.close_soon();
            }
        }
    }
}

/// Returns the failure of a response: the handler's own, or the one that a library's status corresponds to.
fn failure_of(response: &ServiceResponse<BoxBody>) -> Option<Failure> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    if let Some(error) = response.response().error() {
        return Some(error.as_error::<Failure>().map_or_else(|| failure_of_status(status), Failure::public_part));
    }
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    (!is_json).then(|| failure_of_status(status))
}

/// Logs the cause of a failure. This is the only place that does.
fn log(failure: &Failure, response: &ServiceResponse<BoxBody>) {
    let cause = response.response().error().and_then(|error| error.as_error::<Failure>());
    let cause = cause.and_then(|failure| failure.cause.as_deref()).map(|cause| chain(cause)).unwrap_or_default();
    let code = failure.code.name();
    match failure.code.kind() {
        ErrorKind::Internal => tracing::error!(code, cause, "a request failed"),
        ErrorKind::Unavailable => tracing::warn!(code, cause, "a request could not be served"),
        _ => tracing::debug!(code, cause, "a request was refused"),
    }
}

/// Replaces a response by another one and keeps the headers that the other one does not set.
fn replace(response: ServiceResponse<BoxBody>, mut by: HttpResponse) -> ServiceResponse<BoxBody> {
    for (name, value) in response.headers() {
        if !by.headers().contains_key(name) && name != header::CONTENT_LENGTH {
            by.headers_mut().append(name.clone(), value.clone());
        }
    }
    response.into_response(by)
}

/// Creates the complete response to a request that panicked. The panic has consumed the request.
fn panicked(app: &App, id: RequestId) -> Error {
    let mut response = render(&Failure::new(ErrorCode::INTERNAL), Some(id));
    add_headers(response.headers_mut(), app, id);
    InternalError::from_response("a request panicked", response).into()
}

fn add_headers(headers: &mut HeaderMap, app: &App, id: RequestId) {
    const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
    const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
    const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
    const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    headers.insert(header::REFERRER_POLICY, NO_REFERRER);
    for (name, value) in [
        (RESOURCE_POLICY, SAME_ORIGIN),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::CACHE_CONTROL, NO_STORE),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if app.settings.public_url.starts_with("https:") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY);
    }
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
}
