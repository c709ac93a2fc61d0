//! Operations of `/files`.

mod download;
mod incoming;
mod links;
mod records;
mod upload;

use tenantry_files::vocabulary::{FILE_DOWNLOADED, QUOTA_EXCEEDED, RANGE_NOT_SATISFIABLE, STORAGE_FULL};
use tenantry_files::{DeleteFile, DownloadFile, LinkFile, ReadFiles, UploadFile};
use tenantry_kernel::ErrorCode;

use crate::request::{Contract, Resource, handler};

pub(crate) fn resource() -> Resource {
    Resource::new("files", "Files of the tenant: images, documents and tables.")
        .operation(handler!(records::list_files), Contract::of::<ReadFiles>(&[ErrorCode::INVALID_CURSOR]))
        .operation(handler!(upload::upload_file), Contract::of::<UploadFile>(&[QUOTA_EXCEEDED, STORAGE_FULL]))
        .operation(handler!(records::get_file), Contract::of::<ReadFiles>(&[]))
        .operation(handler!(records::delete_file), Contract::of::<DeleteFile>(&[]))
        .operation(
            handler!(download::download_file),
            Contract::of::<DownloadFile>(&[RANGE_NOT_SATISFIABLE]).versioned(),
        )
        .operation(handler!(links::create_file_link), Contract::of::<LinkFile>(&[]).with_optional_body().with_link())
        .operation(
            handler!(links::download_by_link),
            Contract::public(&[FILE_DOWNLOADED], &[RANGE_NOT_SATISFIABLE]).versioned().behind_link(),
        )
}
