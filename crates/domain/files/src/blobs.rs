//! The port behind which the bytes of files lie.

use async_trait::async_trait;
use bytes::Bytes;
use std::{error::Error, fmt, ops::Range, str::FromStr, time::Duration};
use tenantry_kernel::{Coded, ErrorCode, FileId, TenantId, Timestamp};

/// Where the bytes of a file lie. It is made of ids alone, the tenant's first; names have no part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey {
    /// The tenant that the file belongs to.
    pub tenant: TenantId,
    /// The file.
    pub file: FileId,
}

/// The text is not a key of ours.
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
        Ok(Self { tenant: tenant.parse().map_err(|_| NotAKey)?, file: file.parse().map_err(|_| NotAKey)? })
    }
}

/// How a storage that hands out bytes by itself is to present them.
#[derive(Debug, Clone)]
pub struct Presentation {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Content-Disposition`.
    pub content_disposition: String,
}

/// Bytes that a storage has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// Where.
    pub key: BlobKey,
    /// Since when.
    pub modified_at: Timestamp,
}

/// Why a storage could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There are no such bytes.
    #[error("the storage has no such bytes")]
    NotFound,
    /// There is no room.
    #[error("the storage is full")]
    Full(#[source] Box<dyn Error + Send + Sync>),
    /// The storage does not answer in time, or refuses.
    #[error("the storage is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Anything else that the storage says.
    #[error("the storage failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl Coded for BlobError {
    fn code(&self) -> ErrorCode {
        match self {
            // whoever asks has seen the record, so the bytes should be there
            Self::NotFound | Self::Failed(_) => ErrorCode::Internal,
            Self::Full(_) => ErrorCode::StorageFull,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }
}

/// Where the bytes of files lie. No call waits for ever.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Begins to write. Nothing is there under the key before [`BlobWriter::finish`].
    async fn begin(&self, key: BlobKey) -> Result<Box<dyn BlobWriter>, BlobError>;

    /// Begins to read a part. Fails with [`BlobError::NotFound`] when there is nothing under the key. The part must lie
    /// within what was written.
    async fn read(&self, key: BlobKey, part: Range<u64>) -> Result<Box<dyn BlobReader>, BlobError>;

    /// Removes the bytes. It is no failure when there are none.
    async fn delete(&self, key: BlobKey) -> Result<(), BlobError>;

    /// Everything there is, or what there is of one tenant, in no order. What is not a key of ours is left out.
    fn list(&self, tenant: Option<TenantId>) -> Box<dyn BlobLister>;

    /// Removes what writers that are gone have left unfinished before that moment, and says how much it was. A storage
    /// that sees to it by itself has nothing to do.
    async fn remove_unfinished(&self, before: Timestamp) -> Result<u64, BlobError>;

    /// An address at which anybody may read the bytes for so long, presented like this; `None` where the storage has no
    /// such thing.
    async fn presign(
        &self,
        key: BlobKey,
        lasts: Duration,
        presentation: &Presentation,
    ) -> Result<Option<String>, BlobError>;

    /// Whether the storage answers. It changes nothing.
    async fn check(&self) -> Result<(), BlobError>;
}

/// Writes the bytes of one file. Dropped before it is finished, it leaves nothing behind as far as it can.
#[async_trait]
pub trait BlobWriter: Send {
    /// Writes the next bytes. It may return before they are written, but holds no more than a bounded number of them.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;

    /// Returns once every byte is there and lasts.
    async fn finish(self: Box<Self>) -> Result<(), BlobError>;

    /// Gives up and removes what was written.
    async fn abort(self: Box<Self>) -> Result<(), BlobError>;
}

/// Reads a part of a file.
#[async_trait]
pub trait BlobReader: Send {
    /// The next bytes; `None` behind the last.
    async fn next(&mut self) -> Result<Option<Bytes>, BlobError>;
}

/// Lists what a storage has.
#[async_trait]
pub trait BlobLister: Send {
    /// Some more entries, at least one; `None` when there are no more.
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
