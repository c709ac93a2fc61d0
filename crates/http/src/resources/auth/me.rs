//! Operations of `/auth/me`.

use actix_web::{HttpResponse, http::header};
use serde::{Deserialize, Serialize};
use tenantry_identity::{ChangeProfile, ReadOwnProfile, change_profile};
use tenantry_kernel::{Authority, Name, SessionPrincipal, Vocabulary};
use tenantry_service::{Scope, SystemReason};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Authorized, Body, Contract, FieldErrors, IfMatch, IfMatchHeader, IntoCommand, Of, present},
    resources::views::{RoleReference, TenantView, UserView},
};

pub(crate) const GET: Contract = Contract::of::<ReadOwnProfile>(&[]).versioned();
pub(crate) const CHANGE: Contract = Contract::of::<ChangeProfile>(&[]).versioned();

/// The caller: user, session, tenant, roles and permissions.
#[derive(Serialize, ToSchema)]
pub(crate) struct MeView {
    user: UserView,
    /// `null` for a session without a tenant.
    #[schema(required = true)]
    tenant: Option<TenantView>,
    roles: Vec<RoleReference>,
    permissions: Vec<String>,
    session: OwnSessionView,
}

/// The session of the request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnSessionView {
    #[schema(format = "uuid")]
    id: String,
    #[schema(format = "date-time")]
    created_at: String,
    /// Latest possible end of the session.
    #[schema(format = "date-time")]
    expires_at: String,
}

impl MeView {
    fn new(session: &SessionPrincipal, authority: &Authority, vocabulary: &Vocabulary) -> Self {
        let tenant = authority.tenant.as_ref();
        let roles = tenant.map_or(&[][..], |tenant| &tenant.roles);
        Self {
            user: UserView::new(session, authority.assurance),
            tenant: tenant.map(TenantView::from),
            roles: roles.iter().map(RoleReference::from).collect(),
            permissions: tenant.map(|tenant| vocabulary.names(&tenant.permissions)).unwrap_or_default(),
            session: OwnSessionView {
                id: session.session.to_string(),
                created_at: session.created_at.to_string(),
                expires_at: session.expires_at.to_string(),
            },
        }
    }
}

/// Changes to the caller's profile. Omitted fields keep their values.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "Augusta Ada King" }))]
pub(crate) struct ChangedMe {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 120))]
    #[schema(min_length = 1, max_length = 120, nullable = false)]
    name: Option<String>,
}

impl IntoCommand for ChangedMe {
    type Output = Option<Name>;

    fn parse(self, errors: &mut FieldErrors) -> Option<Option<Name>> {
        errors.take_if_any("name", self.name.as_deref().map(Name::parse))
    }
}

/// Get your profile, session, tenant, roles and permissions
#[utoipa::path(
    get,
    path = "/auth/me",
    tag = "auth",
    responses((status = 200, description = "The caller.", body = Of<MeView>))
)]
pub(crate) async fn get_me(app: App, caller: Authorized<ReadOwnProfile>) -> Result<HttpResponse, Failure> {
    let (cached, session) = (&caller.cached, caller.session()?);
    let body = match cached.me.get() {
        Some(body) => body.clone(),
        None => {
            let view = || MeView::new(session, &cached.authority, &app.vocabulary);
            cached
                .me
                .get_or_init(|| Answer::ok(&view()).map(|answer| answer.into_inner().body).unwrap_or_default())
                .clone()
        }
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, format!("\"{}\"", session.user_version)))
        .content_type("application/json")
        .body(body))
}

/// Change your name in all tenants
#[utoipa::path(
    patch,
    path = "/auth/me",
    tag = "auth",
    params(IfMatchHeader),
    request_body = ChangedMe,
    responses((status = 200, description = "The changed profile.", body = Of<UserView>))
)]
pub(crate) async fn change_me(
    app: App,
    caller: Authorized<ChangeProfile>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Failure> {
    let name = body.parse::<ChangedMe>().await?;
    let command = ChangeProfile { name, expected_version: if_match.0 };
    app.change(caller.change_request(), Scope::System(SystemReason::OwnProfile), async move |unit, actor, context| {
        let person = change_profile(unit, actor, context, command.clone()).await?;
        Ok(Answer::ok(&UserView::from(&person))?.etag(person.version))
    })
    .await
}
