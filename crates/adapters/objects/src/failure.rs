//! What storages say, in the terms of the port.

use object_store::client::HttpError;
use std::{error::Error, io, iter};
use tenantry_files::BlobError;

/// What a storage's error means. Its text may hold paths and addresses, and is for the log only.
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

/// What its error means where there need not be an object: when something is missing, it is the bucket.
pub(crate) fn write_error(error: object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::Unavailable(Box::new(error)),
        error => blob_error(error),
    }
}

/// The same for what the disk says to us.
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

/// Whatever a server of S3 says that is not about one object (no such bucket, not these keys, slow down): a request can do
/// nothing about it, and later it may go.
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
