//! `HEAD`: routed and answered like `GET`, without the bytes of the body (RFC 9110, 9.3.2).

use actix_web::{
    HttpMessage, HttpRequest,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
};
use bytes::Bytes;
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// Marks a request that was sent as `HEAD`. Stored in the request's extensions.
struct Head;

/// Turns a `HEAD` into the `GET` of the same target. Returns whether the request was a `HEAD`.
pub(super) fn route_as_get(request: &mut ServiceRequest) -> bool {
    let is_head = *request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
        request.extensions_mut().insert(Head);
    }
    is_head
}

/// Returns whether a request was sent as `HEAD`. Handlers ask before they record or read something for the body alone.
pub(crate) fn is_head(request: &HttpRequest) -> bool {
    request.extensions().contains::<Head>()
}

/// Replaces the body by its size, so that the connection reads none of its bytes.
pub(super) fn without_bytes(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    response.map_body(|_, body| BoxBody::new(SizeOnly(body.size())))
}

/// Adds `HEAD` to an `Allow` header with `GET`.
pub(super) fn allow_beside_get(headers: &mut HeaderMap) {
    let Some(allow) = headers.get(header::ALLOW).and_then(|allow| allow.to_str().ok()) else { return };
    if allow.split(", ").any(|method| method == "GET")
        && let Ok(with_head) = HeaderValue::try_from(format!("{allow}, HEAD"))
    {
        headers.insert(header::ALLOW, with_head);
    }
}

/// The size of a body without its bytes.
struct SizeOnly(BodySize);

impl MessageBody for SizeOnly {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}
