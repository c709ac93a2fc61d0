use tenantry_jobs::SealError;
use tenantry_kernel::{Coded, ErrorCode, FieldError, Refusal, StoreError};

use crate::{TypeError, vocabulary::QUOTA_EXCEEDED};

/// Errors of files.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The actor may not do this.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such file or link.
    #[error("not found")]
    NotFound,
    /// The file exceeds the storage quota of the tenant's plan.
    #[error("the plan's storage is full")]
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
            Self::Refused(refusal) => refusal.code(),
            Self::NotFound => ErrorCode::NOT_FOUND,
            Self::QuotaExceeded => QUOTA_EXCEEDED,
            Self::Type(_) => ErrorCode::VALIDATION_FAILED,
            Self::Seal(_) => ErrorCode::INTERNAL,
            Self::Store(error) => error.code(),
        }
    }

    fn details(&self) -> Vec<FieldError> {
        match self {
            Self::Refused(refusal) => refusal.details(),
            Self::Type(error) => vec![error.detail()],
            _ => Vec::new(),
        }
    }

    fn is_collision(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_collision(),
            Self::Store(error) => error.is_collision(),
            _ => false,
        }
    }
}
