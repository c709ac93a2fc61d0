//! Downloads: whole or in part, conditional, with headers that stop browsers from executing the bytes.

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{
        StatusCode,
        header::{
            self, ByteRangeSpec, ContentRange, ContentRangeSpec, EntityTag, Header, HeaderValue, IfMatch, IfNoneMatch,
            IfRange, Range as RangeHeader,
        },
    },
    web,
};
use bytes::Bytes;
use futures::{Stream, stream};
use std::{convert::Infallible, error::Error, ops::Range, time::Duration};
use tenantry_files::{BlobError, BlobReader, DownloadFile, File, Files, Presentation, note_download};
use tenantry_kernel::ErrorCode;
use tenantry_service::Scope;
use utoipa::IntoParams;

use crate::{
    Answer, App, Failure,
    request::{Authorized, is_head, path_id},
};

/// Lifetime of a presigned URL in a redirect: long enough to follow it, too short to pass it on.
const REDIRECT_LASTS: Duration = Duration::from_secs(60);
/// Content security policy under which a browser executes nothing of the bytes, whatever their type.
const INERT: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
/// Only the browser may cache the file, and it must revalidate on each use.
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Headers of a download.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used: the headers are read by `RequestedPart`")]
pub(super) struct DownloadHeaders {
    /// One range of bytes (RFC 9110, 14.2). For several ranges the whole file is sent.
    #[param(rename = "Range", example = "bytes=0-1023")]
    range: Option<String>,
    /// The `ETag` to which the range refers. If the file has another one, the whole file is sent.
    #[param(rename = "If-Range")]
    if_range: Option<String>,
    /// The `ETag` of your copy. If the file still has it, the response is 304.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
    /// The `ETag` that you require. If the file has another one, the response is 412.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// Download a file, or a range of its bytes
///
/// Each download is recorded in the audit log.
#[utoipa::path(
    get,
    path = "/files/{id}/download",
    tag = "files",
    params(("id" = String, Path, format = "uuid"), DownloadHeaders),
    responses(
        (status = 200, description = "The bytes of the file.", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "The bytes of the requested range.", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 302, description = "Redirect to the storage, if the installation is configured for it.",
            headers(("Location" = String, description = "A URL that is valid for one minute."))),
        (status = 304, description = "The file has the `ETag` of `If-None-Match`.",
            headers(("ETag" = String, description = "The version of the file, for `If-None-Match`."))),
    )
)]
pub(crate) async fn download_file(
    app: App,
    caller: Authorized<DownloadFile>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    let file = app.read(caller.scope()).await?.file_by_id(id).await?;
    let file = file.ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?;
    send(&app, caller.scope(), &request, &file, async |part| {
        let command = DownloadFile { id, part };
        app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
            note_download(unit, actor, context, command.clone()).await?;
            Ok(Answer::no_content())
        })
        .await
    })
    .await
}

/// Responds with the requested bytes, after `note` has recorded the part that is sent. The response to `HEAD` describes
/// the whole file, in place of a redirect too: an address of the storage would give the bytes away unrecorded.
pub(super) async fn send(
    app: &App,
    scope: Scope,
    request: &HttpRequest,
    file: &File,
    note: impl AsyncFnOnce(Option<Range<u64>>) -> Result<Answer, Failure>,
) -> Result<HttpResponse, Failure> {
    let part = match RequestedPart::of(request, file)? {
        RequestedPart::Bytes(part) => part,
        RequestedPart::Nothing(answer) => return Ok(answer),
    };
    if is_head(request) {
        return Ok(with_bytes(file, None, stream::empty::<Result<Bytes, Infallible>>()));
    }
    let source = open(app, scope, file, &part).await?;
    note(part.clone()).await?;
    Ok(answer(file, part, source))
}

/// The part of a file that a request asks for.
enum RequestedPart {
    /// A range of the bytes, or all of them with `None`.
    Bytes(Option<Range<u64>>),
    /// No bytes: the conditions or the range determine the response.
    Nothing(HttpResponse),
}

impl RequestedPart {
    /// Evaluates the conditions of the request in the order of RFC 9110, 13.2.2.
    fn of(request: &HttpRequest, file: &File) -> Result<Self, Failure> {
        let tag = tag_of(file);
        if request.headers().contains_key(header::IF_MATCH) {
            let matches = match IfMatch::parse(request) {
                Ok(IfMatch::Any) => true,
                Ok(IfMatch::Items(tags)) => tags.iter().any(|wanted| wanted.strong_eq(&tag)),
                Err(_) => false,
            };
            if !matches {
                return Err(Failure::new(ErrorCode::VERSION_CONFLICT));
            }
        }
        if request.headers().contains_key(header::IF_NONE_MATCH) {
            let known = match IfNoneMatch::parse(request) {
                Ok(IfNoneMatch::Any) => true,
                Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
                Err(_) => false,
            };
            if known {
                return Ok(Self::Nothing(unchanged(tag)));
            }
        }
        let Some(range) = one_range(request).filter(|_| is_of_this(request, &tag)) else {
            return Ok(Self::Bytes(None));
        };
        Ok(match range.to_satisfiable_range(file.bytes) {
            Some((first, last)) => Self::Bytes(Some(first..last + 1)),
            None => Self::Nothing(beyond(file.bytes)),
        })
    }
}

/// Returns the only requested range. For several ranges or an invalid one the whole file is sent, and `HEAD` has no
/// ranges (RFC 9110, 14.2).
fn one_range(request: &HttpRequest) -> Option<ByteRangeSpec> {
    request.headers().get(header::RANGE).filter(|_| !is_head(request))?;
    match RangeHeader::parse(request) {
        Ok(RangeHeader::Bytes(ranges)) => match &ranges[..] {
            // a range that ends before it begins is invalid
            [ByteRangeSpec::FromTo(first, last)] if first > last => None,
            [range] => Some(range.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Returns whether `If-Range` permits the range. A date never matches, because it identifies the bytes less exactly
/// than a tag.
fn is_of_this(request: &HttpRequest, tag: &EntityTag) -> bool {
    if !request.headers().contains_key(header::IF_RANGE) {
        return true;
    }
    matches!(IfRange::parse(request), Ok(IfRange::EntityTag(wanted)) if wanted.strong_eq(tag))
}

fn tag_of(file: &File) -> EntityTag {
    EntityTag::new_strong(hex::encode(file.sha256))
}

fn unchanged(tag: EntityTag) -> HttpResponse {
    HttpResponse::NotModified()
        .insert_header((header::ETAG, tag.to_string()))
        .insert_header((header::CACHE_CONTROL, ASK_EACH_TIME))
        .finish()
}

fn beyond(bytes: u64) -> HttpResponse {
    let range = ContentRange(ContentRangeSpec::Bytes { range: None, instance_length: Some(bytes) });
    HttpResponse::RangeNotSatisfiable().insert_header(range).finish()
}

/// Source of the bytes: this server, or a URL of the storage.
enum Source {
    Here(Box<dyn BlobReader>),
    There(String),
}

/// Opens the bytes of a file, or returns the URL at which the storage serves them.
async fn open(app: &App, scope: Scope, file: &File, part: &Option<Range<u64>>) -> Result<Source, Failure> {
    if app.settings.redirects_downloads {
        let presentation =
            Presentation { content_type: file.kind.served_as(), content_disposition: file.name.content_disposition() };
        if let Some(url) = app.blobs.presign(file.key(), REDIRECT_LASTS, &presentation).await? {
            return Ok(Source::There(url));
        }
    }
    let part = part.clone().unwrap_or(0..file.bytes);
    match app.blobs.read(file.key(), part).await {
        Ok(reader) => Ok(Source::Here(reader)),
        Err(BlobError::NotFound) => {
            // the file was deleted since it was looked up, or its bytes are lost
            let still_there = app.read(scope).await?.file_by_key(file.key()).await?.is_some();
            Err(if still_there { BlobError::NotFound.into() } else { Failure::new(ErrorCode::NOT_FOUND) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates the response with the bytes, or with their URL.
fn answer(file: &File, part: Option<Range<u64>>, source: Source) -> HttpResponse {
    let reader = match source {
        Source::Here(reader) => reader,
        Source::There(url) => {
            return HttpResponse::Found()
                .insert_header((header::LOCATION, url))
                .insert_header((header::CACHE_CONTROL, ASK_EACH_TIME))
                .finish();
        }
    };
    let bytes = stream::try_unfold(reader, |mut reader| async move {
        match reader.next().await {
            Ok(next) => Ok(next.map(|bytes| (bytes, reader))),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a download was cut off");
                Err(error)
            }
        }
    });
    with_bytes(file, part, bytes)
}

/// Creates the response with the bytes. Its headers keep browsers from treating the bytes as executable content.
fn with_bytes<E>(
    file: &File,
    part: Option<Range<u64>>,
    bytes: impl Stream<Item = Result<Bytes, E>> + 'static,
) -> HttpResponse
where
    E: Into<Box<dyn Error>> + 'static,
{
    let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_TYPE, file.kind.served_as()))
        .insert_header((header::CONTENT_DISPOSITION, file.name.content_disposition()))
        .insert_header((header::ETAG, tag_of(file).to_string()))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, ASK_EACH_TIME))
        .insert_header((header::CONTENT_SECURITY_POLICY, INERT));
    let part = match part {
        None => 0..file.bytes,
        Some(part) => {
            let range =
                ContentRangeSpec::Bytes { range: Some((part.start, part.end - 1)), instance_length: Some(file.bytes) };
            response.insert_header(ContentRange(range));
            part
        }
    };
    response.body(SizedStream::new(part.end - part.start, bytes))
}
