//! Reads files: one chunk ahead from the disk, as a stream from S3.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    mem,
    ops::Range,
};
use tenantry_files::{BlobError, BlobReader};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::failure::{blob_error, disk_error};

/// Reads a file one chunk ahead, so that the disk works while the previous chunk is sent.
pub(crate) struct FileReader {
    next: Next,
}

enum Next {
    UnderWay(JoinHandle<io::Result<(File, u64, Bytes)>>),
    Over,
}

impl FileReader {
    /// Large enough that handing over a chunk costs little compared with reading it.
    const CHUNK_BYTES: u64 = 256 << 10;

    pub(crate) fn new(file: File, part: Range<u64>) -> Self {
        let left = part.end.saturating_sub(part.start);
        let next = Next::UnderWay(spawn_blocking(move || {
            let mut file = file;
            file.seek(SeekFrom::Start(part.start))?;
            read_chunk(file, left)
        }));
        Self { next }
    }
}

fn read_chunk(mut file: File, left: u64) -> io::Result<(File, u64, Bytes)> {
    let wanted = left.min(FileReader::CHUNK_BYTES);
    let mut chunk = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    let read = (&mut file).take(wanted).read_to_end(&mut chunk)? as u64;
    if read < wanted {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter"));
    }
    Ok((file, left - read, chunk.into()))
}

#[async_trait]
impl BlobReader for FileReader {
    async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        let reading = match mem::replace(&mut self.next, Next::Over) {
            Next::Over => return Ok(None),
            Next::UnderWay(reading) => reading,
        };
        let read = reading.await.map_err(|panic| BlobError::Failed(Box::new(panic)))?;
        let (file, left, chunk) = read.map_err(disk_error)?;
        self.next = match left {
            0 => Next::Over,
            left => Next::UnderWay(spawn_blocking(move || read_chunk(file, left))),
        };
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

/// Reads a file from S3.
pub(crate) struct StreamReader(pub(crate) BoxStream<'static, object_store::Result<Bytes>>);

#[async_trait]
impl BlobReader for StreamReader {
    async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        self.0.next().await.transpose().map_err(blob_error)
    }
}
