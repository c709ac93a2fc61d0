//! Downloads, recorded before the first byte is sent.

use std::ops::Range;
use tenantry_kernel::{Action, Actor, Command, Context, Event, Journal, Requirement};

use crate::{
    File, FileError, FileId, Files,
    vocabulary::{FILE_DOWNLOADED, FILES_READ},
};

/// Download a file or a range of it.
#[derive(Debug, Clone)]
pub struct DownloadFile {
    /// The file.
    pub id: FileId,
    /// The range that is sent; `None` means the whole file.
    pub part: Option<Range<u64>>,
}

impl Command for DownloadFile {
    const REQUIRES: Requirement = Requirement::All(&[FILES_READ]);
    const EVENTS: &'static [Action] = &[FILE_DOWNLOADED];
}

/// Records that the actor receives bytes of a file. Every request that receives bytes is recorded, so that a download
/// in ranges, or of all but the first byte, is found too.
pub async fn note_download(
    unit: &mut (impl Files + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: DownloadFile,
) -> Result<File, FileError> {
    let file = unit.file_by_id(command.id).await?.ok_or(FileError::NotFound)?;
    unit.append_event(downloaded(context, actor, &file, command.part)).await?;
    Ok(file)
}

/// Creates the event of a download.
pub(crate) fn downloaded(context: &Context, actor: &Actor, file: &File, part: Option<Range<u64>>) -> Event {
    let event =
        Event::new(context, actor, FILE_DOWNLOADED).within(Some(file.tenant)).target(file.id, Some(file.name.as_str()));
    match part {
        // including the last byte, as in the header field of the request
        Some(part) => event.set("range", format!("{}-{}", part.start, part.end.saturating_sub(1))),
        None => event,
    }
}
