//! Deletes files: the record at once, the bytes by a job.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenantry_jobs::{JobQueue, Kind, NewJob, RetryPolicy};
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, Event, Journal, Refusal, Requirement, TenantId, authorize,
};

use crate::{
    BlobKey, FileError, FileId, Files,
    vocabulary::{FILE_DELETED, FILES_DELETE, FILES_DELETE_OWN},
};

/// Delete a file: any, or one that the actor uploaded.
#[derive(Debug, Clone, Copy)]
pub struct DeleteFile {
    /// The file.
    pub id: FileId,
}

impl Command for DeleteFile {
    const REQUIRES: Requirement = Requirement::Any(&[FILES_DELETE_OWN, FILES_DELETE]);
    const EVENTS: &'static [Action] = &[FILE_DELETED];
}

/// The job that removes the bytes of a deleted file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveBlob {
    /// The tenant that owned the file.
    pub tenant: TenantId,
    /// The file.
    pub file: FileId,
}

impl Kind for RemoveBlob {
    const NAME: &'static str = "remove_blob";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "maintenance";
    // Retries for half a day; after a longer outage of the storage, the sweep removes the bytes.
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 20, first: Duration::from_secs(5), longest: Duration::from_secs(3600) };
}

impl RemoveBlob {
    /// Returns the key of the bytes.
    pub fn key(&self) -> BlobKey {
        BlobKey { tenant: self.tenant, file: self.file }
    }
}

/// Deletes the record of a file, frees its storage quota and enqueues the removal of its bytes.
pub async fn delete_file(
    unit: &mut (impl Files + JobQueue + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: DeleteFile,
) -> Result<(), FileError> {
    let authority = authorize::<DeleteFile>(unit, actor, context).await?;
    let held = &authority.active_tenant()?.permissions;
    let file = unit.file_by_id(command.id).await?.ok_or(FileError::NotFound)?;
    if !held.contains(&FILES_DELETE) && file.uploaded_by != authority.user()? {
        return Err(Refusal::Missing(vec![FILES_DELETE]).into());
    }
    if !unit.delete_file(file.id).await? {
        return Err(FileError::NotFound);
    }
    unit.free_storage(file.tenant, file.bytes).await?;
    let payload = RemoveBlob { tenant: file.tenant, file: file.id };
    unit.enqueue_job(&NewJob::of(context, Some(file.tenant), &payload)?).await?;
    let event = Event::new(context, actor, FILE_DELETED).target(file.id, Some(file.name.as_str()));
    unit.append_event(event).await?;
    Ok(())
}
