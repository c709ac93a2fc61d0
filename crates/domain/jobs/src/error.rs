use tenantry_kernel::{Coded, Denied, ErrorCode, FieldError, StoreError};

use crate::SealError;

/// Errors of jobs.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The actor may not do this.
    #[error("denied: {0}")]
    Denied(#[from] Denied),
    /// The actor's session ended while the request was under way.
    #[error("the session has ended")]
    SessionEnded,
    /// The job does not exist, or the actor may not see it.
    #[error("not found")]
    NotFound,
    /// The job's state does not allow this, or another job has its unique key.
    #[error("not in a state that allows this")]
    InvalidState,
    /// The payload of a new job could not be serialized.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for JobError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Denied(denied) => denied.code(),
            Self::SessionEnded => ErrorCode::SESSION_ENDED,
            Self::NotFound => ErrorCode::NOT_FOUND,
            Self::InvalidState => ErrorCode::INVALID_STATE,
            Self::Seal(_) => ErrorCode::INTERNAL,
            Self::Store(error) => error.code(),
        }
    }

    fn details(&self) -> Vec<FieldError> {
        match self {
            Self::Denied(denied) => denied.details(),
            _ => Vec::new(),
        }
    }

    fn is_collision(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_collision())
    }
}
