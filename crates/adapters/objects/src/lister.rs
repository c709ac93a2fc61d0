//! Lists stored objects.

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{BoxStream, Fuse},
};
use object_store::{ObjectMeta, path::Path};
use tenantry_files::{BlobEntry, BlobError, BlobLister};
use tenantry_kernel::Timestamp;

use crate::failure::blob_error;

/// Maximum number of entries per batch.
const PORTION: usize = 500;

pub(crate) struct Lister {
    /// Fused, because the lister polls once more after the last entry.
    objects: Fuse<BoxStream<'static, object_store::Result<ObjectMeta>>>,
    prefix: Path,
}

impl Lister {
    pub(crate) fn new(objects: BoxStream<'static, object_store::Result<ObjectMeta>>, prefix: Path) -> Self {
        Self { objects: objects.fuse(), prefix }
    }

    fn entry(&self, object: &ObjectMeta) -> Option<BlobEntry> {
        let parts: Vec<_> = object.location.prefix_match(&self.prefix)?.collect();
        let [tenant, file] = &parts[..] else { return None };
        let key = format!("{}/{}", tenant.as_ref(), file.as_ref()).parse().ok()?;
        Some(BlobEntry { key, modified_at: Timestamp::new(object.last_modified) })
    }
}

#[async_trait]
impl BlobLister for Lister {
    async fn next(&mut self) -> Result<Option<Vec<BlobEntry>>, BlobError> {
        let mut entries = Vec::new();
        while let Some(object) = self.objects.next().await {
            let object = object.map_err(blob_error)?;
            entries.extend(self.entry(&object));
            if entries.len() == PORTION {
                break;
            }
        }
        Ok((!entries.is_empty()).then_some(entries))
    }
}
