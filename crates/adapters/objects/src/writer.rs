//! Writes files: small ones in one request, larger ones part by part.

use async_trait::async_trait;
use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, path::Path};
use std::{mem, sync::Arc};
use tenantry_files::{BlobError, BlobWriter};
use tokio::task::JoinHandle;

use crate::failure::{blob_error, write_error};

/// Collects a part while the previous one is written, so it holds at most two parts.
pub(crate) struct Writer {
    store: Arc<dyn ObjectStore>,
    path: Path,
    part_bytes: usize,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    upload: Option<Box<dyn MultipartUpload>>,
    under_way: Option<JoinHandle<object_store::Result<()>>>,
}

impl Writer {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path, part_bytes: usize) -> Self {
        Self { store, path, part_bytes, gathered: Vec::new(), gathered_bytes: 0, upload: None, under_way: None }
    }

    fn take_gathered(&mut self) -> PutPayload {
        self.gathered_bytes = 0;
        PutPayload::from_iter(mem::take(&mut self.gathered))
    }

    async fn send_part(&mut self) -> Result<(), BlobError> {
        self.settle().await?;
        let part = self.take_gathered();
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => none.insert(self.store.put_multipart(&self.path).await.map_err(write_error)?),
        };
        self.under_way = Some(tokio::spawn(upload.put_part(part)));
        Ok(())
    }

    /// Waits for the part that is being written.
    async fn settle(&mut self) -> Result<(), BlobError> {
        let Some(part) = self.under_way.take() else { return Ok(()) };
        part.await.map_err(|panic| BlobError::Failed(Box::new(panic)))?.map_err(blob_error)
    }

    async fn finish_parts(&mut self) -> Result<(), BlobError> {
        if self.gathered_bytes > 0 {
            self.send_part().await?;
        }
        self.settle().await?;
        match &mut self.upload {
            Some(upload) => upload.complete().await.map(|_| ()).map_err(blob_error),
            None => Ok(()),
        }
    }

    async fn remove_parts(&mut self) -> Result<(), BlobError> {
        if let Some(part) = self.under_way.take()
            && let Ok(Err(error)) = part.await
        {
            tracing::debug!(%error, "the last part of an aborted upload could not be written");
        }
        match &mut self.upload {
            Some(upload) => upload.abort().await.map_err(blob_error),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= self.part_bytes { self.send_part().await } else { Ok(()) }
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobError> {
        if self.upload.is_none() {
            let whole = self.take_gathered();
            return self.store.put(&self.path, whole).await.map(|_| ()).map_err(write_error);
        }
        let finished = self.finish_parts().await;
        if finished.is_err()
            && let Err(error) = self.remove_parts().await
        {
            tracing::warn!(%error, "the parts of a failed upload could not be deleted");
        }
        finished
    }

    async fn abort(mut self: Box<Self>) -> Result<(), BlobError> {
        self.remove_parts().await
    }
}
