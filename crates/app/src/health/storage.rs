//! Checks whether files can be stored and read.

use tenantry_files::Blobs;
use tenantry_http::Status;

use crate::config::StoragePlace;

use super::{Observation, try_folder};

/// Writes to a storage folder, but only checks the access to a bucket: a write each second would cost money.
pub(crate) async fn check_storage(place: &StoragePlace, blobs: &dyn Blobs) -> Observation {
    match place {
        StoragePlace::Disk(folder) => {
            let folder = folder.clone();
            match tokio::task::spawn_blocking(move || try_folder(&folder)).await {
                Ok(Ok(_)) => (Status::Pass, "the folder can be written".to_owned()),
                Ok(Err(_)) | Err(_) => (Status::Fail, "the folder cannot be written".to_owned()),
            }
        }
        StoragePlace::S3(_) => match blobs.check().await {
            Ok(()) => (Status::Pass, "the bucket answers".to_owned()),
            Err(_) => (Status::Fail, "the bucket cannot be used".to_owned()),
        },
    }
}
