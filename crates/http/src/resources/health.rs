//! Operations `/livez`, `/readyz` and `/health`.

use actix_web::{HttpRequest, HttpResponse};
use secrecy::ExposeSecret;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tenantry_kernel::ErrorCode;
use utoipa::ToSchema;

use crate::{
    App, Failure,
    health::{Check, Checks, Status},
    request::{Contract, Resource, RouteTimes, bearer, handler, is_on_this_machine},
};

pub(crate) fn resource() -> Resource {
    Resource::outside_api()
        .with_tag("health", "Probes for load balancers and operators.")
        .operation(handler!(livez), Contract::public(&[], &[]))
        .operation(handler!(readyz), Contract::public(&[], &[]))
        .operation(handler!(health), Contract::public(&[], &[]))
}

/// The state of the service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HealthView {
    /// The worst status of all checks: `pass`, `warn` or `fail`.
    status: &'static str,
    /// Details of each check. Present for requests with the health token, and in development for requests from the same
    /// machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    checks: Option<ChecksView>,
    /// Response times of this process in the last five minutes, the slowest route first. Present under the same
    /// condition as `checks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    response_times: Option<Vec<ResponseTimesView>>,
}

/// The state of each dependency of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChecksView {
    database: CheckView,
    /// State that processes share. Without Redis every request is still served, so this check warns and never fails.
    redis: CheckView,
    /// Whether workers run the jobs of all processes in time.
    queue: CheckView,
    /// Storage of the files' bytes. The check writes to a folder, or sends a request to a bucket.
    storage: CheckView,
    /// Whether the mail server is reachable, checked at most every 15 s. Emails wait in the queue, so this check warns
    /// and never fails.
    mail: CheckView,
    /// Free space on the disk to which this process writes.
    disk: CheckView,
}

/// The state of one dependency.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckView {
    /// `pass`, `warn` or `fail`.
    status: &'static str,
    /// Duration of the check in milliseconds.
    latency_ms: u64,
    /// Observation as a text for operators. Do not parse it.
    observed: String,
}

/// Response times of a route, in milliseconds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResponseTimesView {
    method: &'static str,
    /// Pattern of the route, such as `/api/v1/roles/{id}`.
    route: &'static str,
    /// Number of requests.
    requests: u64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

impl From<&Checks> for ChecksView {
    fn from(checks: &Checks) -> Self {
        let Checks { database, redis, queue, storage, mail, disk } = checks;
        Self {
            database: database.into(),
            redis: redis.into(),
            queue: queue.into(),
            storage: storage.into(),
            mail: mail.into(),
            disk: disk.into(),
        }
    }
}

impl From<&Check> for CheckView {
    fn from(check: &Check) -> Self {
        let latency_ms = u64::try_from(check.latency.as_millis()).unwrap_or(u64::MAX);
        Self { status: check.status.name(), latency_ms, observed: check.observed.clone() }
    }
}

impl From<RouteTimes> for ResponseTimesView {
    fn from(times: RouteTimes) -> Self {
        let RouteTimes { method, route, percentiles } = times;
        let (p50_ms, p95_ms, p99_ms) = (percentiles.p50, percentiles.p95, percentiles.p99);
        Self { method, route, requests: percentiles.requests, p50_ms, p95_ms, p99_ms }
    }
}

/// Check that the process is alive
///
/// Fails while a thread that serves requests, or the worker's loop, is stuck. The check uses no dependency, so a
/// failure of the database does not show here.
#[utoipa::path(get, path = "/livez", tag = "health", responses(
    (status = 200, description = "The process is alive.", body = String, content_type = "text/plain", example = "ok\n")
))]
pub(crate) async fn livez(app: App) -> Result<HttpResponse, Failure> {
    liveness(app.health.is_alive())
}

/// Responds to a liveness check: with 200, or with 503 while a part of this process is stuck.
pub fn liveness(is_alive: bool) -> Result<HttpResponse, Failure> {
    if is_alive {
        Ok(HttpResponse::Ok().content_type("text/plain").body("ok\n"))
    } else {
        Err(Failure::new(ErrorCode::UNAVAILABLE))
    }
}

/// Check that the process can serve requests
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "The process can serve requests.", body = String, content_type = "text/plain", example = "ready\n")
))]
pub(crate) async fn readyz(app: App) -> Result<HttpResponse, Failure> {
    if app.health.is_ready().await {
        Ok(HttpResponse::Ok().content_type("text/plain").body("ready\n"))
    } else {
        Err(Failure::new(ErrorCode::UNAVAILABLE))
    }
}

/// Get the health of the service
///
/// The result is less than one second old.
#[utoipa::path(get, path = "/health", tag = "health", responses(
    (status = 200, description = "The status is `pass` or `warn`.", body = HealthView),
    (status = 503, description = "The status is `fail`.", body = HealthView)
))]
pub(crate) async fn health(app: App, request: HttpRequest) -> HttpResponse {
    let checks = app.health.checks().await;
    let status = checks.status();
    let shows = may_see_checks(&app, &request);
    let view = HealthView {
        status: status.name(),
        checks: shows.then(|| ChecksView::from(&*checks)),
        response_times: shows.then(|| app.metrics.lately().into_iter().map(ResponseTimesView::from).collect()),
    };
    let mut response = if status == Status::Fail { HttpResponse::ServiceUnavailable() } else { HttpResponse::Ok() };
    response.json(view)
}

/// Returns whether the client may see details: an operator with the token, or in development a client on the same
/// machine.
fn may_see_checks(app: &App, request: &HttpRequest) -> bool {
    let by_token = match (&app.settings.health_token, bearer(request)) {
        // Digests are compared, so that the duration of the comparison reveals nothing about the token.
        (Some(token), Some(shown)) => Sha256::digest(token.expose_secret()) == Sha256::digest(shown),
        _ => false,
    };
    by_token || (app.settings.shows_health_locally && is_on_this_machine(request))
}
