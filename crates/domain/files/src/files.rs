//! Files: the records of what tenants store, and how much of it there is.

use async_trait::async_trait;
use tenantry_kernel::{
    Action, Actor, Authorities, Authority, Command, FileId, Page, PageRequest, Permission, Requirement, StoreError,
    TenantId, Timestamp, UserId, World,
};

use crate::{BlobKey, FileError, FileName, FileType};

/// A file of a tenant. It is there once its record is; the bytes were before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Which file.
    pub id: FileId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// What it is called; several files may be called the same.
    pub name: FileName,
    /// What the bytes are.
    pub kind: FileType,
    /// How many there are.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// Who uploaded it.
    pub uploaded_by: UserId,
    /// When it was there.
    pub created_at: Timestamp,
}

impl File {
    /// Where its bytes lie.
    pub fn key(&self) -> BlobKey {
        BlobKey { tenant: self.tenant, file: self.id }
    }
}

/// Which files are listed.
#[derive(Debug, Clone, Default)]
pub struct FileFilter {
    /// What the folded name begins with.
    pub prefix: Option<String>,
    /// Of which type.
    pub kind: Option<FileType>,
    /// By whom.
    pub uploaded_by: Option<UserId>,
}

/// How files are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOrder {
    /// By folded name.
    Name,
    /// By size.
    Size,
    /// By time.
    CreatedAt,
}

/// The place of a file in a list of that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKey {
    /// By folded name.
    Name(String, FileId),
    /// By size.
    Size(u64, FileId),
    /// By time.
    CreatedAt(Timestamp, FileId),
}

/// Where the records of files are kept, and how much of its storage each tenant uses. Every method sees the unit's
/// tenant only, or everything for System units.
#[async_trait]
pub trait Files: Send {
    /// Adds a record.
    async fn insert_file(&mut self, file: &File) -> Result<(), StoreError>;

    /// The file, if the tenant has it.
    async fn file_by_id(&mut self, id: FileId) -> Result<Option<File>, StoreError>;

    /// The file whose bytes lie there, for units that see more than one tenant.
    async fn file_by_key(&mut self, key: BlobKey) -> Result<Option<File>, StoreError>;

    /// The tenant's files.
    async fn page_files(
        &mut self,
        filter: &FileFilter,
        order: FileOrder,
        page: PageRequest<FileKey>,
    ) -> Result<Page<File, FileKey>, StoreError>;

    /// Takes the record away; `false` when somebody else has.
    async fn delete_file(&mut self, id: FileId) -> Result<bool, StoreError>;

    /// How many bytes of its storage the tenant uses.
    async fn storage_used(&mut self, tenant: TenantId) -> Result<u64, StoreError>;

    /// Takes so many bytes of the tenant's storage unless more than `limit` would be used then; says whether it did. Of
    /// any number of units at once none takes what another has taken.
    async fn take_storage(&mut self, tenant: TenantId, bytes: u64, limit: u64) -> Result<bool, StoreError>;

    /// Gives bytes of the tenant's storage back that were taken.
    async fn free_storage(&mut self, tenant: TenantId, bytes: u64) -> Result<(), StoreError>;

    /// Those of the keys that have a record. Only for System units.
    async fn recorded_blobs(&mut self, keys: &[BlobKey]) -> Result<Vec<BlobKey>, StoreError>;

    /// The keys of up to so many records after that one, in order. Only for System units.
    async fn blobs_after(&mut self, after: Option<BlobKey>, limit: u32) -> Result<Vec<BlobKey>, StoreError>;
}

/// See the tenant's files.
#[derive(Debug, Clone, Copy)]
pub struct ReadFiles;

impl Command for ReadFiles {
    const REQUIRES: Requirement = Requirement::All(&[Permission::FILES_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// What the actor holds now. What was known when the request came in may be minutes old when an upload ends.
pub(crate) async fn require<C: Command>(
    unit: &mut (impl Authorities + ?Sized),
    actor: &Actor,
    world: &World,
) -> Result<Authority, FileError> {
    let session = actor.session.ok_or(FileError::SessionEnded)?;
    let authority = unit.authority_of(session, world.now()).await?.ok_or(FileError::SessionEnded)?;
    authority.require::<C>()?;
    Ok(authority)
}
