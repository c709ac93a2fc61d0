//! Uploads: the bytes are already stored when the record is inserted, which publishes the file.

use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, Event, Journal, Requirement, StoreError, TenantId, authorize,
};

use crate::{
    Content, File, FileError, FileId, FileName, Files,
    vocabulary::{FILE_UPLOADED, FILES_CREATE},
};

/// Publish a file whose bytes are stored.
#[derive(Debug, Clone)]
pub struct UploadFile {
    /// The id under which the bytes are stored.
    pub id: FileId,
    /// The name.
    pub name: FileName,
    /// The result of the inspection.
    pub content: Content,
}

impl Command for UploadFile {
    const REQUIRES: Requirement = Requirement::All(&[FILES_CREATE]);
    const EVENTS: &'static [Action] = &[FILE_UPLOADED];
}

/// Inserts the record of a file and reserves its storage. `limit` returns the quota in bytes of a plan.
pub async fn publish_file(
    unit: &mut (impl Files + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    limit: impl Fn(&str) -> u64,
    command: UploadFile,
) -> Result<File, FileError> {
    let authority = authorize::<UploadFile>(unit, actor, context).await?;
    let tenant = authority.active_tenant()?;
    let UploadFile { id, name, content } = command;
    let file = File {
        id,
        tenant: tenant.id,
        name,
        kind: content.kind,
        bytes: content.bytes,
        sha256: content.sha256,
        uploaded_by: authority.user()?,
        created_at: context.now(),
    };
    if !unit.take_storage(tenant.id, file.bytes, limit(&tenant.plan)).await? {
        return Err(FileError::QuotaExceeded);
    }
    unit.insert_file(&file).await?;
    let event = Event::new(context, actor, FILE_UPLOADED)
        .target(file.id, Some(file.name.as_str()))
        .set("contentType", file.kind.media_type())
        .set("size", i64::try_from(file.bytes).unwrap_or(i64::MAX));
    unit.append_event(event).await?;
    Ok(file)
}

/// Returns how many bytes the tenant may still store. Concurrent uploads may take them; only publishing a file decides.
pub async fn room_left(unit: &mut (impl Files + ?Sized), tenant: TenantId, limit: u64) -> Result<u64, StoreError> {
    Ok(limit.saturating_sub(unit.storage_used(tenant).await?))
}
