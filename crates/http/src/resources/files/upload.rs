//! Uploads: one file in a form of several parts (RFC 7578), read piece by piece.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    error::PayloadError,
    http::{header, header::HeaderMap},
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use std::{
    cell::RefCell,
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};
use tenantry_files::vocabulary::QUOTA_EXCEEDED;
use tenantry_files::{FileName, FileType, UploadFile, room_left};
use tenantry_kernel::{ErrorCode, FieldError};
use utoipa::ToSchema;

use crate::{
    Answer, App, Failure,
    request::{Authorized, FieldErrors, Of, ReadBody, is_compressed, payload_failure, take_body},
    settings::ApiSettings,
};

use super::{incoming::Incoming, records::FileView};

/// Maximum size in bytes of a form beside its file: the boundaries and the headers of the part (64 KiB).
const FRAMING_BYTES: u64 = 64 << 10;
/// Size in bytes of a piece that is sent to the storage (256 KiB).
const PIECE_BYTES: usize = 256 << 10;

/// A form with one file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the form is read piece by piece")]
pub(crate) struct UploadForm {
    /// The bytes of the file. The part's file name must match them, and so must its content type if it states one.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// Upload a file
///
/// The server detects the type from the bytes: PNG, JPEG, GIF, WebP, PDF, CSV or JSON. The file name must match it, and
/// so must the content type of the part, unless it is absent or `application/octet-stream`.
#[utoipa::path(
    post,
    path = "/files/upload",
    tag = "files",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 201, description = "The file's record.", body = Of<FileView>))
)]
pub(crate) async fn upload_file(app: App, caller: Authorized<UploadFile>, form: Form) -> Result<Answer, Failure> {
    let ApiSettings { max_file_bytes, storage_limit, .. } = &app.settings;
    let mut form = form.open(*max_file_bytes)?;
    let tenant = caller.tenant()?;
    // Skipped for a request with a key: a repeated request receives the stored response, however little room is left.
    if let (Some(bytes), None) = (form.declared_bytes, &form.read) {
        let limit = storage_limit(&tenant.plan);
        let room = room_left(&mut app.read(caller.scope()).await?, tenant.id, limit).await?;
        if bytes.saturating_sub(FRAMING_BYTES) > room {
            return Err(Failure::new(QUOTA_EXCEEDED));
        }
    }
    let FilePart { field, name, claimed } = form.file_part().await?;
    let (id, read) = (tenant.id, form.read.take());
    let mut incoming = Incoming::begin(&app, caller, id, name, claimed, read);
    let received = receive(&mut form, field, &mut incoming, *max_file_bytes).await;
    match received {
        Ok(()) => incoming.publish().await,
        Err(failure) => Err(incoming.give_up(failure).await),
    }
}

/// Forwards the bytes of the file. Reads the rest of the form before the file can be published.
async fn receive(
    form: &mut OpenForm,
    mut field: Field,
    incoming: &mut Incoming,
    max_bytes: u64,
) -> Result<(), Failure> {
    let mut bytes = 0;
    let mut piece = BytesMut::with_capacity(PIECE_BYTES);
    while let Some(chunk) = field.next().await {
        let mut chunk = chunk.map_err(multipart_failure)?;
        bytes += chunk.len() as u64;
        if bytes > max_bytes {
            return Err(Failure::new(ErrorCode::PAYLOAD_TOO_LARGE));
        }
        while piece.len() + chunk.len() >= PIECE_BYTES {
            piece.extend_from_slice(&chunk.split_to(PIECE_BYTES - piece.len()));
            let full = mem::replace(&mut piece, BytesMut::with_capacity(PIECE_BYTES));
            incoming.push(full.freeze()).await?;
        }
        piece.extend_from_slice(&chunk);
    }
    if !piece.is_empty() {
        incoming.push(piece.freeze()).await?;
    }
    // the reader of the form waits until its last part is dropped
    drop(field);
    form.end().await
}

/// A form that is read when the handler asks for it, so that a caller without permission is refused first.
pub(crate) struct Form {
    headers: HeaderMap,
    read: Option<ReadBody>,
    payload: Payload,
}

impl FromRequest for Form {
    type Error = Failure;
    type Future = std::future::Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = ReadBody::of(request);
        std::future::ready(Ok(Self { headers: request.headers().clone(), read, payload: take_body(request, payload) }))
    }
}

/// A form whose headers are acceptable.
struct OpenForm {
    multipart: Multipart,
    body: SharedBody,
    declared_bytes: Option<u64>,
    /// Cell for the digest of the contents, if the request has a key.
    read: Option<ReadBody>,
}

/// The part of a form that contains the file.
struct FilePart {
    field: Field,
    name: FileName,
    claimed: FileType,
}

impl Form {
    fn open(self, max_file_bytes: u64) -> Result<OpenForm, Failure> {
        let text = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        let essence = text(header::CONTENT_TYPE).and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if is_compressed(&self.headers) || !essence.eq_ignore_ascii_case("multipart/form-data") {
            return Err(Failure::new(ErrorCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let declared_bytes = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let max_bytes = max_file_bytes.saturating_add(FRAMING_BYTES);
        if declared_bytes.is_some_and(|bytes| bytes > max_bytes) {
            return Err(Failure::new(ErrorCode::PAYLOAD_TOO_LARGE));
        }
        let body = SharedBody(Rc::new(RefCell::new(BoundedBody { inner: self.payload, left: max_bytes })));
        let multipart = Multipart::new(&self.headers, body.clone());
        Ok(OpenForm { multipart, body, declared_bytes, read: self.read })
    }
}

impl OpenForm {
    /// Returns the first part, which must be the file.
    async fn file_part(&mut self) -> Result<FilePart, Failure> {
        let missing = || invalid("required", "A file is required.");
        let field = self.multipart.next().await.ok_or_else(missing)?.map_err(multipart_failure)?;
        if field.name() != Some("file") {
            return Err(unknown_field());
        }
        let mut errors = FieldErrors::default();
        let name = errors.take("file", FileName::parse(&name_of(&field)));
        errors.finish()?;
        let name = name.ok_or_else(missing)?;
        // A header that is not text declares a type too: one that is not accepted.
        let declared = field.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("unknown"));
        let claimed = FileType::claimed(&name, declared).map_err(|error| Failure::invalid(vec![error.detail()]))?;
        Ok(FilePart { field, name, claimed })
    }

    /// Reads the body to its end. Fails when another part follows the file.
    async fn end(&mut self) -> Result<(), Failure> {
        match self.multipart.next().await {
            None => {}
            Some(Ok(field)) if field.name() == Some("file") => {
                return Err(invalid("duplicate", "This field may be given only once."));
            }
            Some(Ok(_)) => return Err(unknown_field()),
            Some(Err(error)) => return Err(multipart_failure(error)),
        }
        while let Some(rest) = self.body.next().await {
            rest.map_err(payload_failure)?;
        }
        Ok(())
    }
}

/// Returns the name of the file. RFC 7578 does not allow `filename*`, but some clients send it.
fn name_of(field: &Field) -> String {
    let disposition = field.content_disposition();
    let extended = disposition.and_then(|disposition| disposition.get_filename_ext());
    match extended.map(|extended| String::from_utf8(extended.value.clone())) {
        Some(name) => name.unwrap_or_default(),
        None => disposition.and_then(|disposition| disposition.get_filename()).unwrap_or_default().to_owned(),
    }
}

fn invalid(code: &'static str, message: &str) -> Failure {
    Failure::invalid(vec![FieldError::new("file", code, message)])
}

/// Creates the failure for an unknown field, without the field's name: the client has chosen that name.
fn unknown_field() -> Failure {
    Failure::invalid(vec![FieldError::new("", "unknown", "The form takes one field, named file.")])
}

fn multipart_failure(error: MultipartError) -> Failure {
    match error {
        MultipartError::Payload(error) => payload_failure(error),
        _ => Failure::new(ErrorCode::MALFORMED_BODY),
    }
}

/// The body of a form, shared with the form's reader. `OpenForm::end` reads the bytes that follow the form.
#[derive(Clone)]
struct SharedBody(Rc<RefCell<BoundedBody>>);

struct BoundedBody {
    inner: Payload,
    left: u64,
}

impl Stream for SharedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.borrow_mut();
        let next = Pin::new(&mut body.inner).poll_next(context);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            match body.left.checked_sub(chunk.len() as u64) {
                Some(left) => body.left = left,
                None => return Poll::Ready(Some(Err(PayloadError::Overflow))),
            }
        }
        next
    }
}
