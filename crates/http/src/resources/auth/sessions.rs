//! Operations of `/auth/sessions`.

use actix_web::{HttpRequest, web};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tenantry_identity::{EndOwnSessions, OwnSessions, Session, SessionSelector, Sessions, end_own_sessions};
use tenantry_kernel::{FieldError, TenantId};
use tenantry_service::Scope;
use tenantry_tenancy::{Memberships, Tenant};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Answer, App, Failure,
    request::{Authorized, Contract, Of, parse_query, path_id},
    resources::views::TenantReference,
};

pub(crate) const LIST: Contract = Contract::of::<OwnSessions>(&[]);
pub(crate) const END_ONE: Contract = Contract::of::<EndOwnSessions>(&[]);
pub(crate) const END_SEVERAL: Contract = Contract::of::<EndOwnSessions>(&[]);

/// A session of the caller.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    #[schema(format = "uuid")]
    id: String,
    /// Tenant of the session; `null` for a session without a tenant.
    #[schema(required = true)]
    tenant: Option<TenantReference>,
    /// The client's `User-Agent`.
    #[schema(required = true)]
    device: Option<String>,
    /// IP address of the sign-in.
    #[schema(required = true)]
    ip: Option<String>,
    #[schema(format = "date-time")]
    created_at: String,
    /// Time of the last request, rounded down to the minute.
    #[schema(format = "date-time")]
    last_used_at: String,
    /// Whether this is the session of the request.
    current: bool,
}

/// List your sessions, newest first
#[utoipa::path(
    get,
    path = "/auth/sessions",
    tag = "auth",
    responses((status = 200, description = "The caller's sessions.", body = Of<Vec<SessionView>>))
)]
pub(crate) async fn list_sessions(app: App, caller: Authorized<OwnSessions>) -> Result<Answer, Failure> {
    let now = app.context.now();
    let mut unit = app.read(Scope::Person(caller.user())).await?;
    let sessions = unit.running_sessions_of(caller.user(), now).await?;
    let tenants = unit.tenants_of(caller.user()).await?;
    let tenants: HashMap<TenantId, Tenant> = tenants.into_iter().map(|(_, tenant)| (tenant.id, tenant)).collect();
    let current = caller.session()?.session;
    let view = |session: &Session| SessionView {
        id: session.id.to_string(),
        tenant: session.tenant.and_then(|id| tenants.get(&id)).map(TenantReference::from),
        device: session.user_agent.clone(),
        ip: session.ip.map(|ip| ip.to_string()),
        created_at: session.created_at.to_string(),
        last_used_at: session.last_used_at.to_minute().to_string(),
        current: session.id == current,
    };
    let live = sessions.iter().filter(|session| session.is_live(now, app.issuer.policy()));
    Answer::ok(&live.map(view).collect::<Vec<_>>())
}

/// End one of your sessions
#[utoipa::path(
    delete,
    path = "/auth/sessions/{id}",
    tag = "auth",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 204, description = "The session has ended."))
)]
pub(crate) async fn end_session(
    app: App,
    caller: Authorized<EndOwnSessions>,
    id: web::Path<String>,
) -> Result<Answer, Failure> {
    let which = SessionSelector::One(path_id(&id)?);
    end(&app, &caller, which).await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ScopeQuery {
    /// The sessions to end: `others` (all except the session of the request) or `all`.
    #[param(required = true, value_type = String, pattern = "^(others|all)$")]
    scope: Option<String>,
}

/// End all of your sessions, or all except this one
#[utoipa::path(
    delete,
    path = "/auth/sessions",
    tag = "auth",
    params(ScopeQuery),
    responses((status = 204, description = "The sessions have ended."))
)]
pub(crate) async fn end_sessions(
    app: App,
    caller: Authorized<EndOwnSessions>,
    request: HttpRequest,
) -> Result<Answer, Failure> {
    let query: ScopeQuery = parse_query(&request)?;
    let which = match query.scope.as_deref() {
        Some("others") => SessionSelector::Others,
        Some("all") => SessionSelector::All,
        Some(_) => return Err(scope_failure("invalid", "This must be others or all.")),
        None => return Err(scope_failure("required", "This is required: others or all.")),
    };
    end(&app, &caller, which).await
}

fn scope_failure(code: &'static str, message: &str) -> Failure {
    Failure::invalid(vec![FieldError::new("scope", code, message)])
}

async fn end(app: &App, caller: &Authorized<EndOwnSessions>, which: SessionSelector) -> Result<Answer, Failure> {
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        end_own_sessions(unit, actor, context, EndOwnSessions { which }).await?;
        Ok(Answer::no_content())
    })
    .await
}
