//! Files of a tenant: accepted types, quotas, downloads and signed links. The port [`Blobs`] stores the bytes, the port
//! [`Files`] the records.
//!
//! An upload streams to its final place while an [`Inspection`] examines every byte. The commit of the record publishes
//! the file: bytes without a record belong to no tenant, and a sweep removes them.

mod blobs;
mod csv;
mod deletion;
mod downloads;
mod error;
mod files;
mod ids;
mod inspection;
mod json;
mod links;
mod names;
mod sweep;
mod types;
mod uploads;
pub mod vocabulary;

pub use blobs::{BlobEntry, BlobError, BlobKey, BlobLister, BlobReader, BlobWriter, Blobs, Presentation};
pub use deletion::{DeleteFile, RemoveBlob, delete_file};
pub use downloads::{DownloadFile, note_download};
pub use error::FileError;
pub use files::{File, FileFilter, FileKey, FileOrder, Files, ReadFiles};
pub use ids::FileId;
pub use inspection::{Content, Inspection};
pub use links::{FileLinkToken, LinkFile, LinkKeys, file_of_link, issue_link, note_link_use};
pub use names::FileName;
pub use sweep::SweepBlobs;
pub use types::{FileType, TypeError};
pub use uploads::{UploadFile, publish_file, room_left};
