//! Records of files, and the storage that each tenant uses.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tenantry_kernel::{Action, Command, Page, PageRequest, Requirement, StoreError, TenantId, Timestamp, UserId};

use crate::{BlobKey, FileId, FileName, FileType, vocabulary::FILES_READ};

/// A file of a tenant. Its bytes are stored before its record is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Id of the file.
    pub id: FileId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// Name; several files may have the same name.
    pub name: FileName,
    /// Type, as found in the bytes.
    pub kind: FileType,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// The user who uploaded it.
    pub uploaded_by: UserId,
    /// Time of publication.
    pub created_at: Timestamp,
}

impl File {
    /// Returns the key of its bytes.
    pub fn key(&self) -> BlobKey {
        BlobKey { tenant: self.tenant, file: self.id }
    }
}

/// Filters of the list of files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileFilter {
    /// Prefix of the folded name.
    pub prefix: Option<String>,
    /// The type.
    pub kind: Option<FileType>,
    /// The user who uploaded the file.
    pub uploaded_by: Option<UserId>,
}

/// Sort order of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOrder {
    /// By folded name.
    Name,
    /// By size.
    Size,
    /// By time of publication.
    CreatedAt,
}

/// Position of a file in a sorted list. Cursors carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKey {
    /// By folded name.
    Name(String, FileId),
    /// By size.
    Size(u64, FileId),
    /// By time of publication.
    CreatedAt(Timestamp, FileId),
}

/// Port: stores the records of files and the storage that each tenant uses. Every method sees the unit's tenant only,
/// or all tenants in System units.
#[async_trait]
pub trait Files: Send {
    /// Adds a record.
    async fn insert_file(&mut self, file: &File) -> Result<(), StoreError>;

    /// Returns the file if the tenant owns it.
    async fn file_by_id(&mut self, id: FileId) -> Result<Option<File>, StoreError>;

    /// Returns the file with this blob key, for units that see more than one tenant.
    async fn file_by_key(&mut self, key: BlobKey) -> Result<Option<File>, StoreError>;

    /// Returns a page of the tenant's files.
    async fn page_files(
        &mut self,
        filter: &FileFilter,
        order: FileOrder,
        page: PageRequest<FileKey>,
    ) -> Result<Page<File, FileKey>, StoreError>;

    /// Deletes the record; `false` when it was already deleted.
    async fn delete_file(&mut self, id: FileId) -> Result<bool, StoreError>;

    /// Returns the number of bytes that the tenant uses.
    async fn storage_used(&mut self, tenant: TenantId) -> Result<u64, StoreError>;

    /// Reserves `bytes` of the tenant's storage unless the total would exceed `limit`; returns whether it did.
    /// Concurrent units never reserve the same bytes.
    async fn take_storage(&mut self, tenant: TenantId, bytes: u64, limit: u64) -> Result<bool, StoreError>;

    /// Frees reserved bytes of the tenant's storage.
    async fn free_storage(&mut self, tenant: TenantId, bytes: u64) -> Result<(), StoreError>;

    /// Returns those of the keys that have a record. Needs a System unit.
    async fn recorded_blobs(&mut self, keys: &[BlobKey]) -> Result<Vec<BlobKey>, StoreError>;

    /// Returns the keys of at most `limit` records after `after`, in order. Needs a System unit.
    async fn blobs_after(&mut self, after: Option<BlobKey>, limit: u32) -> Result<Vec<BlobKey>, StoreError>;
}

/// Read the tenant's files.
#[derive(Debug, Clone, Copy)]
pub struct ReadFiles;

impl Command for ReadFiles {
    const REQUIRES: Requirement = Requirement::All(&[FILES_READ]);
    const EVENTS: &'static [Action] = &[];
}
