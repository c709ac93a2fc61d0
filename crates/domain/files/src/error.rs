use tenantry_jobs::SealError;
use tenantry_kernel::{Coded, Denied, ErrorCode, FieldError, StoreError};

use crate::{TypeError, vocabulary::QUOTA_EXCEEDED};

/// Errors of files.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The actor may not do this.
    #[error("denied: {0}")]
    Denied(#[from] Denied),
    /// The actor's session ended while the request was under way.
    #[error("the session has ended")]
    SessionEnded,
    /// There is no such file or link.
    #[error("not found")]
    NotFound,
    /// The file exceeds the storage quota of the tenant's plan.
    #[error("the plan has no room for it")]
    QuotaExceeded,
    /// The type of the file is not accepted.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// The payload of a job could not be serialized.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for FileError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Denied(denied) => denied.code(),
            Self::SessionEnded => ErrorCode::SESSION_ENDED,
            Self::NotFound => ErrorCode::NOT_FOUND,
            Self::QuotaExceeded => QUOTA_EXCEEDED,
            Self::Type(_) => ErrorCode::VALIDATION_FAILED,
            Self::Seal(_) => ErrorCode::INTERNAL,
            Self::Store(error) => error.code(),
        }
    }

    fn details(&self) -> Vec<FieldError> {
        match self {
            Self::Denied(denied) => denied.details(),
            Self::Type(error) => vec![error.detail()],
            _ => Vec::new(),
        }
    }

    fn is_collision(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_collision())
    }
}
