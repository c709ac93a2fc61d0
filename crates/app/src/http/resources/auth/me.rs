//! `/auth/me`

use actix_web::{HttpResponse, get, http::header, patch};
use serde::{Deserialize, Serialize};
use tenantry_identity::{ChangeProfile, Person, ReadOwnProfile, change_profile};
use tenantry_kernel::{Assurance, Authority, Name, SessionPrincipal, Vocabulary};
use tenantry_service::{Scope, SystemReason};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    http::{
        body::{Body, Fields, Reads, present},
        caller::Caller,
        if_match::IfMatch,
        openapi::{IfMatchHeader, Of, Operation},
        permissions::RoleReference,
        tenant::TenantView,
    },
};

pub(crate) const GET: Operation = Operation::of::<ReadOwnProfile>("get_me", &[]).versioned();
pub(crate) const CHANGE: Operation = Operation::of::<ChangeProfile>("change_me", &[]).versioned();

/// A person.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0192f0c1-2345-7abc-8def-0123456789ab", "email": "ada@example.com", "name": "Ada Lovelace",
    "emailVerified": false, "createdAt": "2026-11-23T09:00:00.000Z"
}))]
pub(crate) struct UserView {
    #[schema(format = "uuid")]
    id: String,
    #[schema(format = "email")]
    email: String,
    name: String,
    email_verified: bool,
    #[schema(format = "date-time")]
    created_at: String,
}

impl From<&Person> for UserView {
    fn from(person: &Person) -> Self {
        Self {
            id: person.id.to_string(),
            email: person.email.to_string(),
            name: person.name.to_string(),
            email_verified: person.email_verified_at.is_some(),
            created_at: person.created_at.to_string(),
        }
    }
}

impl UserView {
    fn new(session: &SessionPrincipal, assurance: Assurance) -> Self {
        Self {
            id: session.user.to_string(),
            email: session.email.to_string(),
            name: session.name.clone(),
            email_verified: assurance.email_verified,
            created_at: session.user_created_at.to_string(),
        }
    }
}

/// Who you are and what you may do.
#[derive(Serialize, ToSchema)]
pub(crate) struct MeView {
    user: UserView,
    /// `null` when the session is in no organisation.
    #[schema(required = true)]
    tenant: Option<TenantView>,
    roles: Vec<RoleReference>,
    permissions: Vec<String>,
    session: OwnSessionView,
}

/// The session that asks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnSessionView {
    #[schema(format = "uuid")]
    id: String,
    #[schema(format = "date-time")]
    created_at: String,
    /// When it ends whatever happens.
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
            roles: roles.iter().map(|r| RoleReference { id: r.id.to_string(), name: r.name.clone() }).collect(),
            permissions: tenant.map(|tenant| vocabulary.names(&tenant.permissions)).unwrap_or_default(),
            session: OwnSessionView {
                id: session.session.to_string(),
                created_at: session.created_at.to_string(),
                expires_at: session.expires_at.to_string(),
            },
        }
    }
}

/// What is to change in one's profile; what is left out stays.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "Augusta Ada King" }))]
pub(crate) struct ChangedMe {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 120))]
    #[schema(min_length = 1, max_length = 120, nullable = false)]
    name: Option<String>,
}

impl Reads for ChangedMe {
    type Output = Option<Name>;

    fn read(self, fields: &mut Fields) -> Option<Option<Name>> {
        fields.take_if_any("name", self.name.as_deref().map(Name::parse))
    }
}

/// See who you are and what you may do.
#[utoipa::path(
    tag = "auth",
    responses((status = 200, description = "You.", body = Of<MeView>))
)]
#[get("/auth/me")]
pub(crate) async fn get_me(app: App, caller: Caller<ReadOwnProfile>) -> Result<HttpResponse, Failure> {
    let (known, session) = (&caller.known, caller.session()?);
    let body = match known.me.get() {
        Some(body) => body.clone(),
        None => {
            let view = || MeView::new(session, &known.authority, &app.vocabulary);
            known
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

/// Change your name, in every organisation.
#[utoipa::path(
    tag = "auth",
    params(IfMatchHeader),
    request_body = ChangedMe,
    responses((status = 200, description = "You, changed.", body = Of<UserView>))
)]
#[patch("/auth/me")]
pub(crate) async fn change_me(
    app: App,
    caller: Caller<ChangeProfile>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Failure> {
    let name = body.read::<ChangedMe>().await?;
    let command = ChangeProfile { name, expected_version: if_match.0 };
    app.change(caller.change_request(), Scope::System(SystemReason::OwnProfile), async move |unit, actor, world| {
        let person = change_profile(unit, actor, world, command.clone()).await?;
        Ok(Answer::ok(&UserView::from(&person))?.etag(person.version))
    })
    .await
}
