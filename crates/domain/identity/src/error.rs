use tenantry_jobs::SealError;
use tenantry_kernel::{Coded, ErrorCode, FieldError, Refusal, StoreError};
use tenantry_mails::SendEmailError;
use tenantry_tenancy::TenancyError;

use crate::{
    HasherError,
    vocabulary::{EMAIL_TAKEN, INVALID_CREDENTIALS, LINK_INVALID, WEAK_PASSWORD},
};

/// Why something about a person, a password or a session cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The actor may not do this.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Wrong address or password, or nobody who may sign in there.
    #[error("the credentials are wrong")]
    InvalidCredentials,
    /// The token was not made by us.
    #[error("the token is not one of ours")]
    TokenInvalid,
    /// An old refresh token came back: every session of the sign-in has been ended.
    #[error("a refresh token was replayed")]
    Replayed,
    /// There is an account with this address.
    #[error("the address is taken")]
    EmailTaken,
    /// The password would not withstand guessing.
    #[error("the password is guessable")]
    WeakPassword,
    /// The link was used, replaced or withdrawn, or its time is over.
    #[error("the link is not valid any more")]
    LinkInvalid,
    /// A thing named in the request is not there.
    #[error("{field} names nothing that is there")]
    Unknown {
        /// The field that names it.
        field: &'static str,
    },
    /// No such person or session.
    #[error("not found")]
    NotFound,
    /// The row has another version than the one that the caller has seen.
    #[error("the version has moved on")]
    VersionConflict,
    /// The tenant's rules forbid it.
    #[error(transparent)]
    Tenancy(#[from] TenancyError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The secret of a job could not be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// An email could not be enqueued.
    #[error(transparent)]
    Email(#[from] SendEmailError),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for IdentityError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::InvalidCredentials => INVALID_CREDENTIALS,
            Self::TokenInvalid => ErrorCode::TOKEN_INVALID,
            Self::Replayed => ErrorCode::SESSION_ENDED,
            Self::EmailTaken => EMAIL_TAKEN,
            Self::WeakPassword => WEAK_PASSWORD,
            Self::LinkInvalid => LINK_INVALID,
            Self::Unknown { .. } => ErrorCode::VALIDATION_FAILED,
            Self::Seal(_) => ErrorCode::INTERNAL,
            Self::NotFound => ErrorCode::NOT_FOUND,
            Self::VersionConflict => ErrorCode::VERSION_CONFLICT,
            Self::Tenancy(error) => error.code(),
            Self::Email(error) => error.code(),
            Self::Hasher(HasherError::Busy) => ErrorCode::UNAVAILABLE,
            Self::Hasher(HasherError::Failed(_)) => ErrorCode::INTERNAL,
            Self::Store(error) => error.code(),
        }
    }

    fn details(&self) -> Vec<FieldError> {
        match self {
            Self::Refused(refusal) => refusal.details(),
            Self::Tenancy(error) => error.details(),
            Self::Unknown { field } => vec![FieldError::new(*field, "not_found", "There is no such thing.")],
            _ => Vec::new(),
        }
    }

    fn is_collision(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_collision(),
            Self::Store(error) => error.is_collision(),
            Self::Tenancy(error) => error.is_collision(),
            Self::Email(error) => error.is_collision(),
            _ => false,
        }
    }
}
