use tenantry_jobs::SealError;
use tenantry_kernel::{Coded, ErrorCode, FieldError, Refusal, StoreError};
use tenantry_mails::SendEmailError;
use tenantry_tenancy::TenancyError;

use crate::{
    HasherError,
    vocabulary::{EMAIL_TAKEN, INVALID_CREDENTIALS, LINK_INVALID, WEAK_PASSWORD},
};

/// Reason why a use case of users, passwords or sessions fails.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The actor lacks the required authority.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The address or the password is wrong, or the user may not sign in there.
    #[error("the credentials are wrong")]
    InvalidCredentials,
    /// The token was not created by this server.
    #[error("the token is not valid")]
    TokenInvalid,
    /// An old refresh token was presented: every session of the sign-in has been ended.
    #[error("a refresh token was replayed")]
    Replayed,
    /// Another account has this address.
    #[error("the address is taken")]
    EmailTaken,
    /// The password is too easy to guess.
    #[error("the password is too easy to guess")]
    WeakPassword,
    /// The link was used, replaced or revoked, or has expired.
    #[error("the link is no longer valid")]
    LinkInvalid,
    /// An object named in the request does not exist.
    #[error("{field} does not exist")]
    Unknown {
        /// The field that names the object.
        field: &'static str,
    },
    /// The user or session does not exist.
    #[error("not found")]
    NotFound,
    /// The row has another version than the one that the caller has read.
    #[error("the version has changed")]
    VersionConflict,
    /// A rule of the tenant forbids the change.
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
    /// The store failed.
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
            Self::Unknown { field } => vec![FieldError::new(*field, "not_found", "It does not exist.")],
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
