//! Request limits: counts each request against a user or an address, and adds the headers that report the limit.

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};
use tenantry_limits::RateLimitDecision;
use tenantry_service::CachedAuthority;

use crate::{App, Failure};

use super::origin::ip_of;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Rate limit headers of a response. Stored in the request's extensions.
pub(super) struct RateLimitHeaders {
    policy: HeaderValue,
    status: HeaderValue,
    retry_after_seconds: u64,
}

/// Counts a request of a signed-in user. Fails when the user's limit is exceeded.
pub(super) async fn count_person(app: &App, request: &HttpRequest, caller: &CachedAuthority) -> Result<(), Failure> {
    let Some(limits) = &app.limits else { return Ok(()) };
    apply_decision(request, limits.count_person(caller).await)
}

/// Counts a request of an address. Fails when the address's limit is exceeded.
pub(super) async fn count_address(app: &App, request: &HttpRequest) -> Result<(), Failure> {
    let Some(limits) = &app.limits else { return Ok(()) };
    apply_decision(request, limits.count_address(ip_of(request)).await)
}

fn apply_decision(request: &HttpRequest, decision: RateLimitDecision) -> Result<(), Failure> {
    let retry_after_seconds = decision.retry_after_seconds();
    if let (Ok(policy), Ok(status)) = (decision.policy_field().try_into(), decision.field().try_into()) {
        request.extensions_mut().insert(RateLimitHeaders { policy, status, retry_after_seconds });
    }
    if decision.is_admitted() {
        return Ok(());
    }
    Err(Failure::too_many(retry_after_seconds))
}

impl RateLimitHeaders {
    /// Takes the headers out of the request's extensions; `None` if the request was not counted.
    pub(super) fn take(request: &HttpRequest) -> Option<Self> {
        request.extensions_mut().remove()
    }

    /// Adds the headers to a response. Raises a `Retry-After` that another limit has set if it is shorter than this
    /// limit's.
    pub(super) fn add_to(self, headers: &mut HeaderMap) {
        let Self { policy, status, retry_after_seconds } = self;
        headers.insert(POLICY, policy);
        headers.insert(LIMIT, status);
        let wait = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if wait.is_some_and(|wait| wait < retry_after_seconds) {
            headers.insert(header::RETRY_AFTER, retry_after_seconds.into());
        }
    }
}
