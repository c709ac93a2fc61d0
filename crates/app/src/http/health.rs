//! `/livez`, `/readyz` and `/health`

use actix_web::{HttpRequest, HttpResponse, get};
use secrecy::ExposeSecret;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use tenantry_kernel::ErrorCode;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{App, Failure};

use super::{caller::bearer, openapi::Operation};

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(livez).service(readyz).service(health);
}

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::public("livez", &[], &[]),
    Operation::public("readyz", &[], &[]),
    Operation::public("health", &[], &[]),
];

/// How long the database has to answer.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// Above this the database is slow.
const SLOW: Duration = Duration::from_millis(250);

/// How the service is.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthView {
    /// `pass`, `warn` or `fail`.
    status: &'static str,
    /// Shown to whoever holds the health token, and to the same machine in development.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    checks: Option<Checks>,
}

/// How each thing is that the service needs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Checks {
    database: Check,
}

/// How one thing is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check {
    /// `pass`, `warn` or `fail`.
    status: &'static str,
    latency_ms: u64,
    /// What was seen.
    observed: &'static str,
}

/// Whether the process works. It touches nothing else.
#[utoipa::path(tag = "health", responses(
    (status = 200, description = "It works.", body = String, content_type = "text/plain", example = "ok\n")
))]
#[get("/livez")]
pub(crate) async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// Whether requests are to be sent here.
#[utoipa::path(tag = "health", responses(
    (status = 200, description = "Yes.", body = String, content_type = "text/plain", example = "ready\n")
))]
#[get("/readyz")]
pub(crate) async fn readyz(app: App) -> Result<HttpResponse, Failure> {
    let is_ready = app.ready.load(Ordering::Acquire) && check_database(&app).await.status != "fail";
    if is_ready {
        Ok(HttpResponse::Ok().content_type("text/plain").body("ready\n"))
    } else {
        Err(Failure::new(ErrorCode::Unavailable))
    }
}

/// How the service is.
#[utoipa::path(tag = "health", responses(
    (status = 200, description = "It passes, or passes with a warning.", body = HealthView),
    (status = 503, description = "It fails.", body = HealthView)
))]
#[get("/health")]
pub(crate) async fn health(app: App, request: HttpRequest) -> HttpResponse {
    let database = check_database(&app).await;
    let status = database.status;
    let checks = may_see_checks(&app, &request).then_some(Checks { database });
    let mut response = if status == "fail" { HttpResponse::ServiceUnavailable() } else { HttpResponse::Ok() };
    response.json(HealthView { status, checks })
}

async fn check_database(app: &App) -> Check {
    let began = Instant::now();
    let answered = matches!(timeout(TIME_LIMIT, app.store.ping()).await, Ok(Ok(())));
    let latency = began.elapsed();
    let (status, observed) = match answered {
        false => ("fail", "no answer"),
        true if latency > SLOW => ("warn", "slow"),
        true => ("pass", "answers"),
    };
    Check { status, latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), observed }
}

/// Details are for the operator: by token, or from the same machine in development.
fn may_see_checks(app: &App, request: &HttpRequest) -> bool {
    let is_local = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let by_token = match (&app.config.http.health_token, bearer(request)) {
        // Digests are compared, so that time tells nothing of the token.
        (Some(token), Some(shown)) => Sha256::digest(token.expose_secret()) == Sha256::digest(shown),
        _ => false,
    };
    by_token || (is_local && !app.config.environment.is_production())
}
