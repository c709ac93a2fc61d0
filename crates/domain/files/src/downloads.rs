//! Downloading: noted before the first byte goes out.

use std::ops::Range;
use tenantry_kernel::{Action, Actor, Command, Event, FileId, Journal, Permission, Requirement, World};

use crate::{File, FileError, Files};

/// Download a file, or a part of it.
#[derive(Debug, Clone)]
pub struct DownloadFile {
    /// Which file.
    pub id: FileId,
    /// The bytes that go out, where it is not all of them.
    pub part: Option<Range<u64>>,
}

impl Command for DownloadFile {
    const REQUIRES: Requirement = Requirement::All(&[Permission::FILES_READ]);
    const EVENTS: &'static [Action] = &[Action::FileDownloaded];
}

/// Notes that the actor gets bytes of a file. Every request that gets some is noted: whoever reads a file in parts, or
/// all of it but the first byte, is to be found as well as anybody.
pub async fn note_download(
    unit: &mut (impl Files + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: DownloadFile,
) -> Result<File, FileError> {
    let file = unit.file_by_id(command.id).await?.ok_or(FileError::NotFound)?;
    unit.append_event(downloaded(world, actor, &file, command.part)).await?;
    Ok(file)
}

/// The event of a download.
pub(crate) fn downloaded(world: &World, actor: &Actor, file: &File, part: Option<Range<u64>>) -> Event {
    let event = Event::new(world, actor, Action::FileDownloaded)
        .within(Some(file.tenant))
        .target(file.id, Some(file.name.as_str()));
    match part {
        // the last byte included, as in the header field that asked for it
        Some(part) => event.set("range", format!("{}-{}", part.start, part.end.saturating_sub(1))),
        None => event,
    }
}
