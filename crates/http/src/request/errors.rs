//! Failures as responses, all in one envelope.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, Responder, ResponseError,
    body::BoxBody,
    http::{StatusCode, header},
};
use serde::Serialize;
use tenantry_files::vocabulary::RANGE_NOT_SATISFIABLE;
use tenantry_kernel::{ErrorCode, ErrorKind, FieldError, RequestId};
use tenantry_service::Reply;

use crate::{Answer, Failure};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    success: bool,
    error: ErrorBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    details: &'a [FieldError],
}

/// Returns the HTTP status of a kind of failure.
pub(crate) fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Malformed => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorKind::TooSlow => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Stale => StatusCode::PRECONDITION_FAILED,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorKind::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Full => StatusCode::INSUFFICIENT_STORAGE,
    }
}

/// Creates the response to a failure.
pub(crate) fn render(failure: &Failure, request: Option<RequestId>) -> HttpResponse {
    let kind = failure.code.kind();
    let mut response = HttpResponseBuilder::new(status_of(kind));
    if kind == ErrorKind::Unauthenticated {
        response.insert_header((header::WWW_AUTHENTICATE, challenge(failure.code)));
    }
    if let Some(seconds) = failure.retry_after_seconds {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    let envelope = Envelope {
        success: false,
        error: ErrorBody { code: failure.code.name(), message: failure.code.sentence(), details: &failure.details },
        request_id: request.map(|id| id.to_string()),
    };
    response.json(envelope)
}

/// Returns the `WWW-Authenticate` challenge. A request without a token receives the scheme only (RFC 6750, 3).
fn challenge(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::TOKEN_INVALID | ErrorCode::TOKEN_EXPIRED | ErrorCode::SESSION_ENDED => {
            "Bearer realm=\"tenantry\", error=\"invalid_token\""
        }
        _ => "Bearer realm=\"tenantry\"",
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code.sentence())
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        status_of(self.code.kind())
    }

    fn error_response(&self) -> HttpResponse {
        render(self, None)
    }
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let Reply { status, headers, body } = self.into_inner();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponseBuilder::new(status);
        for (name, value) in headers {
            response.append_header((name.as_ref(), value));
        }
        if body.is_empty() {
            return response.finish();
        }
        response.content_type("application/json").body(body)
    }
}

/// Returns the failure that corresponds to a status which a library has chosen.
pub(crate) fn failure_of_status(status: StatusCode) -> Failure {
    Failure::new(match status {
        StatusCode::UNAUTHORIZED => ErrorCode::UNAUTHENTICATED,
        StatusCode::NOT_FOUND => ErrorCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => ErrorCode::METHOD_NOT_ALLOWED,
        StatusCode::REQUEST_TIMEOUT => ErrorCode::TIMEOUT,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::RANGE_NOT_SATISFIABLE => RANGE_NOT_SATISFIABLE,
        StatusCode::SERVICE_UNAVAILABLE => ErrorCode::UNAVAILABLE,
        status if status.is_client_error() => ErrorCode::MALFORMED_BODY,
        _ => ErrorCode::INTERNAL,
    })
}
