//! Uploads in progress: the bytes are written to storage while they are inspected. An upload that does not complete
//! leaves nothing behind, even when the client disconnects.

use bytes::Bytes;
use std::{cell::Cell, rc::Rc};
use tenantry_files::{
    BlobError, BlobKey, BlobWriter, Content, FileId, FileName, FileType, Inspection, TypeError, UploadFile,
    publish_file,
};
use tenantry_kernel::TenantId;
use tenantry_service::log_context;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use crate::{
    Answer, App, Failure,
    request::{Authorized, ReadBody},
};

use super::records::FileView;

/// Maximum number of pieces that wait for the storage.
const WAITING_PIECES: usize = 4;

/// A file that is being received. A task of its own writes and publishes it. Dropping the value aborts the upload.
pub(crate) struct Incoming {
    pieces: mpsc::Sender<Piece>,
    task: JoinHandle<Result<Answer, Failure>>,
}

enum Piece {
    Bytes(Bytes),
    /// Ends the bytes: the file is complete and is published.
    End,
}

/// The uploader and the file to publish.
struct Upload {
    caller: Authorized<UploadFile>,
    key: BlobKey,
    name: FileName,
    read: Option<ReadBody>,
}

impl Incoming {
    pub(crate) fn begin(
        app: &App,
        caller: Authorized<UploadFile>,
        tenant: TenantId,
        name: FileName,
        claimed: FileType,
        read: Option<ReadBody>,
    ) -> Self {
        let key = BlobKey { tenant, file: FileId::new(&app.context) };
        let upload = Upload { caller, key, name, read };
        let (pieces, coming) = mpsc::channel(WAITING_PIECES);
        let app = app.clone();
        let tracker = app.tasks.clone();
        let work = tracker.track_future(async move {
            let content = store(&app, key, claimed, coming).await?;
            publish(&app, upload, content).await
        });
        Self { pieces, task: actix_web::rt::spawn(log_context::inherit(work)) }
    }

    /// Sends the next bytes to the task. Fails when the file was refused already.
    pub(crate) async fn push(&mut self, bytes: Bytes) -> Result<(), Failure> {
        if self.pieces.send(Piece::Bytes(bytes)).await.is_ok() {
            return Ok(());
        }
        Err(match (&mut self.task).await.map_err(Failure::internal)? {
            Err(failure) => failure,
            Ok(_) => Failure::internal("an upload ended before its bytes did"),
        })
    }

    /// Publishes the file after its last bytes.
    pub(crate) async fn publish(self) -> Result<Answer, Failure> {
        let told = self.pieces.send(Piece::End).await;
        let outcome = self.task.await.map_err(Failure::internal)?;
        match (told, outcome) {
            (Err(_), Ok(_)) => Err(Failure::internal("an upload ended before its bytes did")),
            (_, outcome) => outcome,
        }
    }

    /// Aborts the upload. Returns `why` after everything that was written has been deleted.
    pub(crate) async fn give_up(self, why: Failure) -> Failure {
        drop(self.pieces);
        if !self.task.is_finished()
            && let Err(panic) = self.task.await
        {
            tracing::error!(%panic, "an upload panicked");
        }
        why
    }
}

/// Reasons why a file is not stored.
enum NotStored {
    /// The client disconnected, or its request was refused.
    GivenUp,
    Type(TypeError),
    Blob(BlobError),
    Defect(tokio::task::JoinError),
}

impl From<NotStored> for Failure {
    fn from(why: NotStored) -> Self {
        match why {
            NotStored::GivenUp => Self::internal("an upload was aborted"),
            NotStored::Type(error) => Self::invalid(vec![error.detail()]),
            NotStored::Blob(error) => error.into(),
            NotStored::Defect(panic) => Self::internal(panic),
        }
    }
}

/// Writes the pieces to storage while they are inspected. Deletes everything that was written if the file is not stored
/// as a whole.
async fn store(
    app: &App,
    key: BlobKey,
    claimed: FileType,
    coming: mpsc::Receiver<Piece>,
) -> Result<Content, NotStored> {
    let mut writer = app.blobs.begin(key).await.map_err(NotStored::Blob)?;
    match write(&mut *writer, Inspection::new(claimed), coming).await {
        Ok(content) => {
            writer.finish().await.map_err(NotStored::Blob)?;
            Ok(content)
        }
        Err(why) => {
            if let Err(error) = writer.abort().await {
                tracing::warn!(error = &error as &dyn std::error::Error, %key, "the bytes of an aborted upload are left to the sweep");
            }
            Err(why)
        }
    }
}

/// Writes and inspects each piece. A blocking thread hashes a piece while the storage writes it and the next one
/// arrives.
async fn write(
    writer: &mut dyn BlobWriter,
    mut inspection: Inspection,
    mut coming: mpsc::Receiver<Piece>,
) -> Result<Content, NotStored> {
    loop {
        let bytes = match coming.recv().await {
            Some(Piece::Bytes(bytes)) => bytes,
            Some(Piece::End) => return inspection.finish().map_err(NotStored::Type),
            None => return Err(NotStored::GivenUp),
        };
        let piece = bytes.clone();
        let looking = spawn_blocking(move || {
            let seen = inspection.push(&piece);
            (inspection, seen)
        });
        let (looked, written) = tokio::join!(looking, writer.write(bytes));
        let seen;
        (inspection, seen) = looked.map_err(NotStored::Defect)?;
        seen.map_err(NotStored::Type)?;
        written.map_err(NotStored::Blob)?;
    }
}

/// Progress of the transaction that publishes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The transaction has not begun, or the response was known without it.
    NotBegun,
    /// The transaction has begun and was refused.
    Begun,
    /// Only the commit remained.
    Made,
}

/// Creates the record, which publishes the bytes. Deletes the bytes if no record comes to exist. Leaves them to the
/// sweep if the result of the commit is unknown: the sweep later asks the database.
async fn publish(app: &App, upload: Upload, content: Content) -> Result<Answer, Failure> {
    let Upload { caller, key, name, read } = upload;
    if let Some(read) = read {
        // a repetition may send the same file with other boundaries and headers
        read.note(format!("{name}\n{}\n{}", content.kind.media_type(), hex::encode(content.sha256)).as_bytes());
    }
    let (request, scope) = (caller.change_request(), caller.scope());
    let uploader = request.actor.name().map(str::to_owned);
    let storage_limit = app.settings.storage_limit.clone();
    let progress = Rc::new(Cell::new(Progress::NotBegun));
    let seen = progress.clone();
    let answer = app
        .change(request, scope, async move |unit, actor, context| {
            progress.set(Progress::Begun);
            let command = UploadFile { id: key.file, name: name.clone(), content };
            let file = publish_file(unit, actor, context, &*storage_limit, command).await?;
            let view = FileView::new(&file, uploader.as_deref());
            let answer = Answer::created(format_args!("files/{}", file.id), &view)?;
            progress.set(Progress::Made);
            Ok(answer)
        })
        .await;
    match (&answer, seen.get()) {
        (Ok(_), Progress::Made) => {}
        (Err(_), Progress::Made) => {
            tracing::warn!(%key, "the commit of an upload has an unknown result; its bytes are left to the sweep");
        }
        _ => {
            if let Err(error) = app.blobs.delete(key).await {
                tracing::warn!(error = &error as &dyn std::error::Error, %key, "the bytes of a refused upload are left to the sweep");
            }
        }
    }
    answer
}
