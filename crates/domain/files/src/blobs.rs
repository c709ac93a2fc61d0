//! The port that stores the bytes of files.

use async_trait::async_trait;
use bytes::Bytes;
use std::{error::Error, fmt, ops::Range, str::FromStr, time::Duration};
use tenantry_kernel::{Coded, ErrorCode, TenantId, Timestamp, parse_own_id};

use crate::vocabulary::STORAGE_FULL;

use crate::FileId;

/// Key of a file's bytes. It consists of ids alone, the tenant's first; no name is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey {
    /// The tenant that owns the file.
    pub tenant: TenantId,
    /// The file.
    pub file: FileId,
}

/// The text is not a blob key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the key of a blob")]
pub struct NotAKey;

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.file)
    }
}

impl FromStr for BlobKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let (tenant, file) = text.split_once('/').ok_or(NotAKey)?;
        let id = |text| parse_own_id(text).map_err(|_| NotAKey);
        Ok(Self { tenant: TenantId::from_uuid(id(tenant)?), file: FileId::from_uuid(id(file)?) })
    }
}

/// Response headers for a storage that serves bytes directly.
#[derive(Debug, Clone)]
pub struct Presentation {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Content-Disposition`.
    pub content_disposition: String,
}

/// A stored blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its key.
    pub key: BlobKey,
    /// Time of its last modification.
    pub modified_at: Timestamp,
}

/// Errors of a storage.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No bytes are stored under the key.
    #[error("the storage does not have the bytes")]
    NotFound,
    /// The storage is full.
    #[error("the storage is full")]
    Full(#[source] Box<dyn Error + Send + Sync>),
    /// The storage does not answer in time, or refuses the request.
    #[error("the storage is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Any other failure.
    #[error("the storage failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl Coded for BlobError {
    fn code(&self) -> ErrorCode {
        match self {
            // the caller has read the record, so the bytes should exist
            Self::NotFound | Self::Failed(_) => ErrorCode::INTERNAL,
            Self::Full(_) => STORAGE_FULL,
            Self::Unavailable(_) => ErrorCode::UNAVAILABLE,
        }
    }
}

/// Port: stores the bytes of files. Every call has a time limit.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Begins to write. The key has no bytes before [`BlobWriter::finish`].
    async fn begin(&self, key: BlobKey) -> Result<Box<dyn BlobWriter>, BlobError>;

    /// Begins to read a range, which must lie within what was written. Fails with [`BlobError::NotFound`] when nothing
    /// is stored under the key.
    async fn read(&self, key: BlobKey, part: Range<u64>) -> Result<Box<dyn BlobReader>, BlobError>;

    /// Deletes the bytes. Succeeds when there are none.
    async fn delete(&self, key: BlobKey) -> Result<(), BlobError>;

    /// Lists all blobs, or those of one tenant, in no order. Objects whose key is not a blob key are left out.
    fn list(&self, tenant: Option<TenantId>) -> Box<dyn BlobLister>;

    /// Removes unfinished writes from before this time and returns their number. A storage that removes them itself
    /// does nothing.
    async fn remove_unfinished(&self, before: Timestamp) -> Result<u64, BlobError>;

    /// Returns a URL at which anyone may read the bytes for this long, with these headers; `None` where the storage has
    /// no such feature.
    async fn presign(
        &self,
        key: BlobKey,
        lasts: Duration,
        presentation: &Presentation,
    ) -> Result<Option<String>, BlobError>;

    /// Checks that the storage answers. Changes nothing.
    async fn check(&self) -> Result<(), BlobError>;
}

/// Writes the bytes of one file. A writer dropped before [`BlobWriter::finish`] leaves no bytes as far as it can.
#[async_trait]
pub trait BlobWriter: Send {
    /// Writes the next bytes. May return before they are stored, but buffers only a bounded number of them.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;

    /// Returns after every byte is stored durably.
    async fn finish(self: Box<Self>) -> Result<(), BlobError>;

    /// Cancels and removes what was written.
    async fn abort(self: Box<Self>) -> Result<(), BlobError>;
}

/// Reads a range of a file.
#[async_trait]
pub trait BlobReader: Send {
    /// Returns the next bytes; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, BlobError>;
}

/// Lists stored blobs.
#[async_trait]
pub trait BlobLister: Send {
    /// Returns more entries, at least one; `None` when there are no more.
    async fn next(&mut self) -> Result<Option<Vec<BlobEntry>>, BlobError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn te5_fi2_a_key_is_two_ids_and_nothing_else() {
        let text = "0192f0c1-2345-7abc-8def-0123456789ab/0192f0c1-2345-7abc-8def-0123456789ac";
        let key: BlobKey = text.parse().expect("a key");
        assert_eq!(key.to_string(), text);
        for bad in ["", "a/b", &text.to_uppercase(), &format!("{text}/x"), &format!("{text}#1"), &text.replace('/', "")]
        {
            assert_eq!(bad.parse::<BlobKey>(), Err(NotAKey), "{bad}");
        }
    }
}
