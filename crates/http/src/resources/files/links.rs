//! Operations on signed links.

use actix_web::{HttpRequest, HttpResponse, http::header::HeaderValue, web};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenantry_files::vocabulary::FILE_DOWNLOADED;
use tenantry_files::{FileLinkToken, LinkFile, file_of_link, issue_link, note_link_use};
use tenantry_kernel::{Actor, ErrorCode};
use tenantry_service::{ChangeRequest, Scope, SystemReason};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Anonymous, Authorized, Body, FieldErrors, IntoCommand, Of, RESOURCE_POLICY, origin_of, path_id},
};

use super::download::{DownloadHeaders, send};

/// Allows pages of any origin to embed the file. A request by a link carries no session from which a page could read.
const ANYWHERE: HeaderValue = HeaderValue::from_static("cross-origin");

const SCOPE: Scope = Scope::System(SystemReason::Link);

/// The lifetime of a link.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "expiresIn": 300 }))]
pub(crate) struct NewLink {
    /// Lifetime in seconds.
    #[schema(minimum = 60, maximum = 86400, default = 300)]
    expires_in: Option<u64>,
}

impl IntoCommand for NewLink {
    type Output = Duration;

    fn parse(self, errors: &mut FieldErrors) -> Option<Duration> {
        let seconds = self.expires_in.unwrap_or(LinkFile::DEFAULT_SECONDS);
        let within = LinkFile::SECONDS.contains(&seconds).then_some(seconds);
        errors.take("expiresIn", within.ok_or("must be 60 to 86400 seconds")).map(Duration::from_secs)
    }
}

/// A signed link to a file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "url": "https://api.example.com/api/v1/files/signed/tf_AQGS8MEjRXq8", "expiresAt": "2026-11-23T09:05:00.000Z"
}))]
pub(crate) struct LinkView {
    /// Any client with this URL can download the file without signing in. Keep it as secret as a password.
    #[schema(format = "uri")]
    url: String,
    #[schema(format = "date-time")]
    expires_at: String,
}

/// Create a temporary download link to a file
///
/// The link needs no sign-in. It is valid only while you may read the file.
#[utoipa::path(
    post,
    path = "/files/{id}/link",
    tag = "files",
    params(("id" = String, Path, format = "uuid")),
    request_body = NewLink,
    responses((status = 201, description = "The signed link.", body = Of<LinkView>))
)]
pub(crate) async fn create_file_link(
    app: App,
    caller: Authorized<LinkFile>,
    id: web::Path<String>,
    body: Body,
) -> Result<Answer, Failure> {
    let lasts = body.parse_if_any::<NewLink>().await?;
    let lasts = lasts.unwrap_or(Duration::from_secs(LinkFile::DEFAULT_SECONDS));
    let command = LinkFile { id: path_id(&id)?, lasts };
    let (secrets, public_url) = (app.secrets.clone(), app.settings.public_url.clone());
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        let link = issue_link(unit, actor, context, command).await?;
        let path = format!("files/signed/{}", link.sign(&*secrets).expose_secret());
        let url = format!("{public_url}/api/v1/{path}");
        Answer::created(path, &LinkView { url, expires_at: link.expires_at.to_string() })
    })
    .await
}

/// Download a file with a signed link
///
/// Each download is recorded in the audit log.
#[utoipa::path(
    get,
    path = "/files/signed/{token}",
    tag = "files",
    params(("token" = String, Path, max_length = 256), DownloadHeaders),
    responses(
        (status = 200, description = "The bytes of the file.", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "The bytes of the requested range.", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 302, description = "Redirect to the storage, if the installation is configured for it.",
            headers(("Location" = String, description = "A URL that is valid for one minute."))),
        (status = 304, description = "The file has the `ETag` of `If-None-Match`.",
            headers(("ETag" = String, description = "The version of the file, for `If-None-Match`."))),
    )
)]
pub(crate) async fn download_by_link(
    app: App,
    _: Anonymous,
    token: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let token = FileLinkToken::verify(&token, &*app.secrets).ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?;
    let file = {
        let mut unit = app.read(SCOPE).await?;
        file_of_link(&mut unit, &app.context, &token).await?
    };
    let mut response = send(&app, SCOPE, &request, &file, async |part| {
        let actor = Actor::anonymous(origin_of(&request)).within(Some(token.tenant));
        app.change(ChangeRequest::new(actor, FILE_DOWNLOADED), SCOPE, async move |unit, actor, context| {
            note_link_use(unit, actor, context, &token, part.clone()).await?;
            Ok(Answer::no_content())
        })
        .await
    })
    .await?;
    response.headers_mut().insert(RESOURCE_POLICY, ANYWHERE);
    Ok(response)
}
