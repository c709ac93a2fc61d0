//! Stores the bytes of files on disk or in S3 with `object_store`, behind the port [`Blobs`](tenantry_files::Blobs).

mod disk;
mod failure;
mod lister;
mod objects;
mod reader;
mod s3;
mod writer;

pub use objects::Objects;
pub use s3::{OpenError, S3Config};
