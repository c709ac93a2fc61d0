//! Operations on records of files: `GET /files`, `GET` and `DELETE /files/{id}`.

use actix_web::web;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tenantry_files::{
    DeleteFile, File, FileFilter, FileId, FileKey, FileOrder, FileType, Files, ReadFiles, delete_file as delete,
};
use tenantry_identity::{People, Person};
use tenantry_kernel::{Direction, ErrorCode, Page, UserId, Vocabulary, bounded_line, fold};
use tenantry_service::Unit;
use utoipa::{IntoParams, ToSchema};

use crate::{
    Answer, App, Failure,
    request::{Authorized, FieldErrors, List, ListOf, ListQuery, ListRequest, Of, PageParameters, parse_sort, path_id},
};

/// A file of the tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0192f0c1-2345-7abc-8def-0123456789ab", "name": "plan.pdf", "contentType": "application/pdf", "size": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "createdAt": "2026-11-23T09:00:00.000Z",
    "uploadedBy": { "id": "0192f0c1-2345-7abc-8def-0123456789ac", "name": "Ada Lovelace" }
}))]
pub(crate) struct FileView {
    #[schema(format = "uuid")]
    id: String,
    name: String,
    content_type: &'static str,
    /// Size in bytes.
    size: u64,
    /// SHA-256 digest of the bytes, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    #[schema(format = "date-time")]
    created_at: String,
    uploaded_by: UploaderReference,
}

/// The uploader of a file.
#[derive(Serialize, ToSchema)]
pub(crate) struct UploaderReference {
    #[schema(format = "uuid")]
    id: String,
    /// `null` if the user is no longer a member.
    #[schema(required = true)]
    name: Option<String>,
}

impl FileView {
    pub(super) fn new(file: &File, uploader: Option<&str>) -> Self {
        Self {
            id: file.id.to_string(),
            name: file.name.to_string(),
            content_type: file.kind.media_type(),
            size: file.bytes,
            sha256: hex::encode(file.sha256),
            created_at: file.created_at.to_string(),
            uploaded_by: UploaderReference { id: file.uploaded_by.to_string(), name: uploader.map(str::to_owned) },
        }
    }
}

/// Creates the views of files, with the names of their uploaders.
async fn views(unit: &mut Unit, files: &[File]) -> Result<Vec<FileView>, Failure> {
    let mut ids: Vec<UserId> = files.iter().map(|file| file.uploaded_by).collect();
    ids.sort_unstable();
    ids.dedup();
    let people = unit.people_by_ids(&ids).await?;
    let people: HashMap<UserId, Person> = people.into_iter().map(|person| (person.id, person)).collect();
    let name = |file: &File| people.get(&file.uploaded_by).map(|person| person.name.as_str());
    Ok(files.iter().map(|file| FileView::new(file, name(file))).collect())
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FileQuery {
    /// Beginning of the file name.
    #[param(max_length = 255)]
    q: Option<String>,
    /// Media type of the file, such as `image/png`.
    #[param(pattern = "^(image/(png|jpeg|gif|webp)|application/(pdf|json)|text/csv)$")]
    content_type: Option<String>,
    /// Id of the uploader.
    #[param(format = "uuid")]
    uploaded_by: Option<String>,
    /// Sort order: `name`, `-name`, `size`, `-size`, `createdAt` or `-createdAt` (default).
    #[param(pattern = "^-?(name|size|createdAt)$")]
    sort: Option<String>,
}

impl FileQuery {
    const MAX_PREFIX_CHARS: usize = 255;
    const ORDERS: [(&str, FileOrder); 3] =
        [("name", FileOrder::Name), ("size", FileOrder::Size), ("createdAt", FileOrder::CreatedAt)];
}

impl ListQuery for FileQuery {
    type Filter = (FileFilter, FileOrder);
    type Key = FileKey;

    fn parse(self, _: &Vocabulary, errors: &mut FieldErrors) -> (Self::Filter, Direction) {
        let newest_first = (FileOrder::CreatedAt, Direction::Descending);
        let (order, direction) = parse_sort(self.sort.as_deref(), &Self::ORDERS, newest_first, errors);
        let prefix = self.q.as_deref().map(|q| bounded_line(q, Self::MAX_PREFIX_CHARS));
        let kind = self.content_type.map(|name| name.to_ascii_lowercase());
        let kind = kind.map(|name| FileType::from_media_type(&name).ok_or("must be a type that may be stored"));
        let by = self.uploaded_by.as_deref().map(|id| id.parse().map_err(|_| "must be the id of a user"));
        let filter = FileFilter {
            prefix: errors.take_if_any("q", prefix).flatten().map(|q| fold(&q)).filter(|q| !q.is_empty()),
            kind: errors.take_if_any("contentType", kind).flatten(),
            uploaded_by: errors.take_if_any("uploadedBy", by).flatten(),
        };
        ((filter, order), direction)
    }
}

/// List the tenant's files, by default newest first
#[utoipa::path(
    get,
    path = "/files",
    tag = "files",
    params(PageParameters, FileQuery),
    responses((status = 200, description = "A page of files.", body = ListOf<FileView>))
)]
pub(crate) async fn list_files(
    app: App,
    caller: Authorized<ReadFiles>,
    request: ListRequest<FileQuery>,
) -> Result<Answer, Failure> {
    let List { filter: (filter, order), page, cursors } = request.parse(&caller)?;
    let mut unit = app.read_page(caller.scope(), &filter).await?;
    let page = unit.page_files(&filter, order, page).await?;
    let items = views(&mut unit, &page.items).await?;
    cursors.answer(&Page { items, next: page.next })
}

/// Get the record of a file
///
/// The bytes are at `/files/{id}/download`.
#[utoipa::path(
    get,
    path = "/files/{id}",
    tag = "files",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "The file's record.", body = Of<FileView>))
)]
pub(crate) async fn get_file(
    app: App,
    caller: Authorized<ReadFiles>,
    id: web::Path<String>,
) -> Result<Answer, Failure> {
    let id: FileId = path_id(&id)?;
    let mut unit = app.read_with_one_plan(caller.scope()).await?;
    let file = unit.file_by_id(id).await?.ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?;
    let view = views(&mut unit, &[file]).await?.pop().ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?;
    Answer::ok(&view)
}

/// Delete a file
///
/// The permission `files:delete-own` suffices for the caller's own files.
#[utoipa::path(
    delete,
    path = "/files/{id}",
    tag = "files",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 204, description = "The record is deleted. A job deletes the bytes."))
)]
pub(crate) async fn delete_file(
    app: App,
    caller: Authorized<DeleteFile>,
    id: web::Path<String>,
) -> Result<Answer, Failure> {
    let command = DeleteFile { id: path_id(&id)? };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        delete(unit, actor, context, command).await?;
        Ok(Answer::no_content())
    })
    .await
}
