//! The bytes of files on disk or in S3, behind the port [`Blobs`](tenantry_files::Blobs), over `object_store`.

mod disk;
mod failure;
mod lister;
mod objects;
mod reader;
mod s3;
mod writer;

pub use objects::Objects;
pub use s3::{OpenError, S3Config};
