use tenantry_kernel::{Coded, ErrorCode, FieldError, Refusal, StoreError};

use crate::SealError;

/// Errors of jobs.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The actor may not do this.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The job does not exist, or the actor may not see it.
    #[error("not found")]
    NotFound,
    /// The job's state does not allow this, or another job has its unique key.
    #[error("the state does not allow this")]
    InvalidState,
    /// The job lacks the secret that it needs, so no attempt can succeed.
    #[error("its link has expired or was deleted")]
    SecretGone,
    /// The payload of a new job could not be serialized.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl JobError {
    /// What to do about a job that lacks its secret.
    pub const WAY_OUT: &str = "The link of this email has expired or was deleted. Request the email anew: invite the \
        person again, or ask for a new link.";
}

impl Coded for JobError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::NotFound => ErrorCode::NOT_FOUND,
            Self::InvalidState | Self::SecretGone => ErrorCode::INVALID_STATE,
            Self::Seal(_) => ErrorCode::INTERNAL,
            Self::Store(error) => error.code(),
        }
    }

    fn details(&self) -> Vec<FieldError> {
        match self {
            Self::Refused(refusal) => refusal.details(),
            Self::SecretGone => vec![FieldError::new("id", "secret_gone", Self::WAY_OUT)],
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
