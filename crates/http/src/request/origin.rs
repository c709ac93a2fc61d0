//! Origin of a request: its address as far as proxies are trusted, its user agent, its web origin.

use actix_cors::Cors;
use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};
use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};
use tenantry_kernel::{Origin, RequestId, TraceContext};

use crate::{App, Failure, vocabulary::ORIGIN_NOT_ALLOWED};

use super::app::app_of;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// Headers that proxies add to the requests that they forward.
const FORWARDING: [&str; 4] = [FORWARDED_FOR, "forwarded", "x-real-ip", "via"];

/// Returns the origin of a request as the journal records it.
pub(crate) fn origin_of(request: &HttpRequest) -> Origin {
    let app = app_of(request);
    Origin {
        trace: trace_of(request, app),
        ip: ip_of(request),
        user_agent: request.headers().get(header::USER_AGENT).and_then(|value| one_line(value.as_bytes())),
    }
}

/// Returns the client's network address, as far as trusted proxies state it.
pub(crate) fn ip_of(request: &HttpRequest) -> Option<IpAddr> {
    address_of(request, app_of(request).settings.trusted_proxies.unwrap_or(0))
}

/// Returns whether the client is on this machine. A forwarded request comes from elsewhere unless trusted proxies state
/// an address of this machine.
pub(crate) fn is_on_this_machine(request: &HttpRequest) -> bool {
    let is_forwarded = FORWARDING.iter().any(|name| request.headers().contains_key(*name));
    let trusted = app_of(request).settings.trusted_proxies.unwrap_or(0);
    let is_stated = trusted > 0 && stated_address(request, trusted).is_some_and(|ip| ip.is_loopback());
    peer_of(request).is_some_and(|ip| ip.is_loopback()) && (is_stated || !is_forwarded)
}

/// Returns the trace that the layer has assigned to the request.
fn trace_of(request: &HttpRequest, app: &App) -> TraceContext {
    let known = request.extensions().get::<TraceContext>().copied();
    known.unwrap_or_else(|| RequestId::new(&app.context).into())
}

/// Returns the id and the trace of a new request. Takes them from a trusted proxy where the id is a UUID and the trace
/// a `traceparent`, and otherwise generates them.
pub(crate) fn choose_trace(request: &HttpRequest, app: &App) -> TraceContext {
    if app.settings.trusted_proxies.unwrap_or(0) == 0 {
        return RequestId::new(&app.context).into();
    }
    let given = only_header(request, "x-request-id").and_then(|text| uuid::Uuid::try_parse(text).ok());
    let id = given.map_or_else(|| RequestId::new(&app.context), RequestId::from_uuid);
    let within = only_header(request, "traceparent").and_then(|parent| TraceContext::within(id, parent).ok());
    within.unwrap_or_else(|| id.into())
}

/// Returns the value of a header; `None` if the request has several of that name, since none of them is reliable.
fn only_header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let mut values = request.headers().get_all(name);
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

/// Returns the address of the client as far as trusted proxies state it, and otherwise the address of the connection.
fn address_of(request: &HttpRequest, trusted_proxies: u8) -> Option<IpAddr> {
    if trusted_proxies == 0 {
        warn_of_unused_header(request);
        return peer_of(request);
    }
    stated_address(request, trusted_proxies).or_else(|| peer_of(request))
}

/// Returns the address from which the connection comes.
fn peer_of(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|address| address.ip().to_canonical())
}

/// Returns the address that the outermost trusted proxy saw, counted from the right of `X-Forwarded-For`. Any client
/// can forge the entries further left.
fn stated_address(request: &HttpRequest, trusted_proxies: u8) -> Option<IpAddr> {
    let forwarded = request.headers().get_all(FORWARDED_FOR);
    // Entries are split as bytes: an entry that is not text must count as a hop, or its neighbours would shift.
    let hops: Vec<&[u8]> = forwarded.flat_map(|list| list.as_bytes().split(|byte| *byte == b',')).collect();
    let place = hops.len().saturating_sub(usize::from(trusted_proxies));
    hops.get(place).and_then(|hop| address_in(str::from_utf8(hop).ok()?.trim()))
}

fn address_in(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().ok();
    let with_port = || hop.parse().ok().map(|socket: std::net::SocketAddr| socket.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.or_else(with_port).or_else(bracketed).map(|ip: IpAddr| ip.to_canonical())
}

fn warn_of_unused_header(request: &HttpRequest) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    let app = app_of(request);
    if app.settings.trusted_proxies.is_none()
        && request.headers().contains_key(FORWARDED_FOR)
        && !WARNED.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(
            "a request has X-Forwarded-For, but TRUSTED_PROXIES is not set: all clients behind that proxy share one address"
        );
    }
}

/// Returns a header of arbitrary bytes as one line of bounded length.
fn one_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let visible = text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}'));
    let line: String = visible.take(Origin::MAX_USER_AGENT_CHARS).collect();
    if line.is_empty() { None } else { Some(line) }
}

/// Fails unless the request comes from a page of an allowed origin. Requests that carry the session's cookie need this
/// check. A request without `Origin` is refused too.
pub(crate) fn require_allowed_origin(request: &HttpRequest) -> Result<(), Failure> {
    let app = app_of(request);
    let origin = request.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok());
    match origin {
        Some(origin) if origin == app.settings.public_url || app.settings.cors_origins.iter().any(|o| o == origin) => {
            Ok(())
        }
        _ => Err(Failure::new(ORIGIN_NOT_ALLOWED)),
    }
}

/// The request headers that pages of allowed origins may send: those of the OpenAPI document, and `traceparent`, which
/// tracing libraries for browsers add.
const ALLOWED_HEADERS: [&str; 8] = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Range",
    "traceparent",
];
/// The response headers that these pages may read: those of the OpenAPI document, except for the ones that every page
/// may read and `Set-Cookie`, which none may.
const EXPOSED_HEADERS: [&str; 11] = [
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
];

/// Removes empty elements from the list of headers of a preflight (RFC 9110, 5.6.1.2), and an empty list. actix-cors
/// refuses them.
pub(super) fn drop_empty_elements(headers: &mut HeaderMap) {
    const LIST: HeaderName = header::ACCESS_CONTROL_REQUEST_HEADERS;
    let Some(list) = headers.get(LIST).and_then(|list| list.to_str().ok()) else { return };
    let names: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    match HeaderValue::try_from(names.join(",")) {
        Ok(names) if !names.is_empty() => drop(headers.insert(LIST, names)),
        _ => drop(headers.remove(LIST)),
    }
}

/// Creates the layer that allows cross-origin requests from an exact list of origins.
pub(crate) fn cors(origins: &[String]) -> Cors {
    const MAX_AGE_SECONDS: usize = 600;
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers(ALLOWED_HEADERS)
        .expose_headers(EXPOSED_HEADERS)
        .supports_credentials()
        .block_on_origin_mismatch(false)
        .max_age(MAX_AGE_SECONDS);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn address(trusted: u8, forwarded: &[&str]) -> Option<String> {
        let mut request = TestRequest::default().peer_addr(([10, 0, 0, 1], 4000).into());
        for value in forwarded {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request = request.append_header((HeaderName::from_static(FORWARDED_FOR), value));
        }
        address_of_trusting(&request.to_http_request(), trusted).map(|ip| ip.to_string())
    }

    fn address_of_trusting(request: &HttpRequest, trusted: u8) -> Option<IpAddr> {
        assert!(trusted > 0, "without proxies the application is asked");
        address_of(request, trusted)
    }

    #[test]
    fn si4_proxies_are_counted_from_the_right() {
        assert_eq!(address(1, &["198.51.100.9, 203.0.113.7"]).as_deref(), Some("203.0.113.7"));
        assert_eq!(address(2, &["198.51.100.9, 203.0.113.7"]).as_deref(), Some("198.51.100.9"));
        assert_eq!(address(1, &["198.51.100.9", "203.0.113.7"]).as_deref(), Some("203.0.113.7"));
        assert_eq!(address(3, &["203.0.113.7"]).as_deref(), Some("203.0.113.7"));
        assert_eq!(address(1, &["[2001:db8::1]:4711"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(address(1, &["198.51.100.9", "ä, 203.0.113.7"]).as_deref(), Some("203.0.113.7"));
        assert_eq!(address(2, &["198.51.100.9", "ä, 203.0.113.7"]).as_deref(), Some("10.0.0.1"));
        assert_eq!(address(1, &["not an address"]).as_deref(), Some("10.0.0.1"));
        assert_eq!(address(1, &[]).as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn empty_elements_of_a_preflight_are_no_names() {
        let kept = |list: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static(list));
            drop_empty_elements(&mut headers);
            let kept = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
            kept.map(|names| names.to_str().unwrap().to_owned())
        };
        assert_eq!((kept(""), kept(" , "), kept(",range,, etag ")), (None, None, Some("range,etag".to_owned())));
    }

    #[test]
    fn in5_a_user_agent_is_one_bounded_line() {
        assert_eq!(one_line(b"curl/8\r\nX: y\x1b[31m").as_deref(), Some("curl/8X: y[31m"));
        assert_eq!(one_line("a\u{2028}b".as_bytes()).as_deref(), Some("ab"));
        assert_eq!(one_line(&[b'x'; 5_000]).map(|line| line.len()), Some(Origin::MAX_USER_AGENT_CHARS));
        assert_eq!(one_line(b""), None);
    }
}
