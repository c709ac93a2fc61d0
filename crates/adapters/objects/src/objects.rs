//! Operations that disk and S3 share.

use async_trait::async_trait;
use futures::StreamExt;
use object_store::{
    GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt,
    path::{Path, PathPart},
    signer::{Method, SignedUrlOptions, Signer},
};
use std::{ops::Range, path::PathBuf, sync::Arc, time::Duration};
use tenantry_files::{BlobError, BlobKey, BlobLister, BlobReader, BlobWriter, Blobs, Presentation};
use tenantry_kernel::{TenantId, Timestamp};

use crate::{
    OpenError, S3Config, disk,
    failure::{blob_error, write_error},
    lister::Lister,
    reader::{FileReader, StreamReader},
    s3,
    writer::Writer,
};

/// Stores the bytes of files, each under the key `tenant/file`.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    place: Location,
}

#[derive(Debug, Clone)]
enum Location {
    Disk { folder: PathBuf },
    S3 { prefix: Path, signer: Arc<dyn Signer> },
}

impl Objects {
    /// Stores files in this folder, which is created if it is missing. An acknowledged write is on the disk.
    pub fn on_disk(folder: PathBuf) -> Result<Self, OpenError> {
        let store = disk::open(&folder)?;
        Ok(Self { store: Arc::new(store), place: Location::Disk { folder } })
    }

    /// Stores files in a bucket. Sends no request yet.
    pub fn in_s3(config: &S3Config) -> Result<Self, OpenError> {
        let store = Arc::new(s3::open(config)?);
        let prefix = Path::parse(&config.prefix).map_err(OpenError::prefix)?;
        Ok(Self { store: store.clone(), place: Location::S3 { prefix, signer: store } })
    }

    fn prefix(&self) -> Path {
        match &self.place {
            Location::Disk { .. } => Path::default(),
            Location::S3 { prefix, .. } => prefix.clone(),
        }
    }

    fn path(&self, key: BlobKey) -> Path {
        self.path_of(key.tenant).join(PathPart::from(key.file.to_string()))
    }

    fn path_of(&self, tenant: TenantId) -> Path {
        self.prefix().join(PathPart::from(tenant.to_string()))
    }
}

#[async_trait]
impl Blobs for Objects {
    async fn begin(&self, key: BlobKey) -> Result<Box<dyn BlobWriter>, BlobError> {
        let part_bytes = match self.place {
            Location::Disk { .. } => disk::PART_BYTES,
            Location::S3 { .. } => s3::PART_BYTES,
        };
        Ok(Box::new(Writer::new(self.store.clone(), self.path(key), part_bytes)))
    }

    async fn read(&self, key: BlobKey, part: Range<u64>) -> Result<Box<dyn BlobReader>, BlobError> {
        let options = GetOptions { range: Some(GetRange::Bounded(part)), ..GetOptions::default() };
        let got = self.store.get_opts(&self.path(key), options).await.map_err(blob_error)?;
        Ok(match got.payload {
            GetResultPayload::File(file, _) => Box::new(FileReader::new(file, got.range)),
            GetResultPayload::Stream(stream) => Box::new(StreamReader(stream)),
        })
    }

    async fn delete(&self, key: BlobKey) -> Result<(), BlobError> {
        match self.store.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(blob_error(error)),
        }
    }

    fn list(&self, tenant: Option<TenantId>) -> Box<dyn BlobLister> {
        let root = tenant.map_or_else(|| self.prefix(), |tenant| self.path_of(tenant));
        Box::new(Lister::new(self.store.list(Some(&root)), self.prefix()))
    }

    async fn remove_unfinished(&self, before: Timestamp) -> Result<u64, BlobError> {
        match &self.place {
            Location::Disk { folder } => disk::remove_unfinished(folder.clone(), before).await,
            // The bucket's lifecycle rule `AbortIncompleteMultipartUpload` removes them: a listing does not show them
            Location::S3 { .. } => Ok(0),
        }
    }

    async fn presign(
        &self,
        key: BlobKey,
        lasts: Duration,
        presentation: &Presentation,
    ) -> Result<Option<String>, BlobError> {
        let Location::S3 { signer, .. } = &self.place else { return Ok(None) };
        let options = SignedUrlOptions::default().with_query([
            ("response-content-type", presentation.content_type),
            ("response-content-disposition", presentation.content_disposition.as_str()),
            ("response-cache-control", "private, no-cache"),
        ]);
        let url = signer.signed_url_opts(Method::GET, &self.path(key), lasts, &options).await.map_err(blob_error)?;
        Ok(Some(url.into()))
    }

    async fn check(&self) -> Result<(), BlobError> {
        match &self.place {
            Location::Disk { folder } => disk::check(folder.clone()).await,
            // Lists, because a request for an object cannot tell a missing bucket from a missing object.
            Location::S3 { .. } => {
                let none = self.prefix().join(PathPart::from("check"));
                self.store.list(Some(&none)).next().await.transpose().map(|_| ()).map_err(write_error)
            }
        }
    }
}
