//! Maps errors of storages to the errors of the port.

use object_store::client::HttpError;
use std::{error::Error, io, iter};
use tenantry_files::BlobError;

/// Maps a storage's error. Its text may hold paths and addresses and is written to the log only.
pub(crate) fn blob_error(error: object_store::Error) -> BlobError {
    if let object_store::Error::NotFound { .. } = error {
        return BlobError::NotFound;
    }
    let of_disk = links(&error).find_map(|link| link.downcast_ref::<io::Error>()).map(io::Error::kind);
    let over_http = links(&error).any(|link| link.is::<HttpError>());
    match (of_disk, &error) {
        (Some(kind), _) if is_full(kind) => BlobError::Full(Box::new(error)),
        _ if over_http || is_of_s3(&error) => BlobError::Unavailable(Box::new(error)),
        _ => BlobError::Failed(Box::new(error)),
    }
}

/// Maps the error of an operation that needs no existing object. "Not found" then means that the bucket is missing.
pub(crate) fn write_error(error: object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::Unavailable(Box::new(error)),
        error => blob_error(error),
    }
}

/// Maps an error of the local file system.
pub(crate) fn disk_error(error: io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::NotFound => BlobError::NotFound,
        kind if is_full(kind) => BlobError::Full(Box::new(error)),
        _ => BlobError::Failed(Box::new(error)),
    }
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Returns whether the error comes from the S3 server and is not about one object (no such bucket, invalid keys, slow
/// down). The request cannot fix it, and a retry may succeed.
fn is_of_s3(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    matches!(error, E::Generic { store: "S3", .. } | E::PermissionDenied { .. } | E::Unauthenticated { .. })
}

fn links<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |link| (*link).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_where_something_is_written_is_the_bucket() {
        let missing = || object_store::Error::NotFound { path: "files".to_owned(), source: "NoSuchBucket".into() };
        assert!(matches!(blob_error(missing()), BlobError::NotFound));
        assert!(matches!(write_error(missing()), BlobError::Unavailable(_)));
    }
}
