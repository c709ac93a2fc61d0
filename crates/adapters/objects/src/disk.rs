//! Stores files in a local folder.

use object_store::local::LocalFileSystem;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tenantry_files::{BlobError, BlobKey};
use tenantry_kernel::Timestamp;

use crate::{OpenError, failure::disk_error};

/// Bytes per write to the disk.
pub(crate) const PART_BYTES: usize = 1 << 20;

/// Opens the folder with `fsync`, which `object_store` does not do by default.
pub(crate) fn open(folder: &Path) -> Result<LocalFileSystem, OpenError> {
    fs::create_dir_all(folder).map_err(|error| OpenError::Folder(folder.to_owned(), error))?;
    let store = LocalFileSystem::new_with_prefix(folder).map_err(OpenError::setup)?;
    Ok(store.with_fsync(true))
}

pub(crate) async fn check(folder: PathBuf) -> Result<(), BlobError> {
    blocking(move || fs::read_dir(folder).map(drop)).await
}

/// Removes unfinished uploads. `object_store` names them `key#number` and lists none of them.
pub(crate) async fn remove_unfinished(folder: PathBuf, before: Timestamp) -> Result<u64, BlobError> {
    blocking(move || {
        let mut removed = 0;
        for tenant in fs::read_dir(&folder)? {
            let tenant = tenant?;
            if !tenant.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(tenant.path())? {
                let file = file?;
                if !is_unfinished(&tenant.file_name().to_string_lossy(), &file.file_name().to_string_lossy()) {
                    continue;
                }
                match remove_if_before(&file, before) {
                    Ok(is_removed) => removed += u64::from(is_removed),
                    // The upload has ended in the meantime.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(removed)
    })
    .await
}

fn remove_if_before(file: &fs::DirEntry, before: Timestamp) -> io::Result<bool> {
    let is_before = Timestamp::new(file.metadata()?.modified()?.into()) < before;
    if is_before {
        fs::remove_file(file.path())?;
    }
    Ok(is_before)
}

fn is_unfinished(tenant: &str, file: &str) -> bool {
    let Some((file, number)) = file.split_once('#') else { return false };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && format!("{tenant}/{file}").parse::<BlobKey>().is_ok()
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BlobError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| BlobError::Failed(Box::new(panic)))?.map_err(disk_error)
}
