//! Files of a tenant: what may be stored, how much of it, and who may fetch it. The bytes lie behind the port [`Blobs`],
//! the records behind [`Files`].
//!
//! An upload streams to its final place while an [`Inspection`] looks at every byte. The record's commit publishes it:
//! bytes without a record are nobody's, and a sweep removes them.

mod blobs;
mod csv;
mod deletion;
mod downloads;
mod error;
mod files;
mod inspection;
mod json;
mod links;
mod names;
mod sweep;
mod types;
mod uploads;

pub use blobs::{BlobEntry, BlobError, BlobKey, BlobLister, BlobReader, BlobWriter, Blobs, Presentation};
pub use deletion::{DeleteFile, RemoveBlob, delete_file};
pub use downloads::{DownloadFile, note_download};
pub use error::FileError;
pub use files::{File, FileFilter, FileKey, FileOrder, Files, ReadFiles};
pub use inspection::{Content, Inspection};
pub use links::{LinkFile, LinkKeys, LinkToken, file_of_link, issue_link, note_link_use};
pub use names::FileName;
pub use sweep::SweepBlobs;
pub use types::{FileType, TypeError};
pub use uploads::{UploadFile, publish_file, room_left};
