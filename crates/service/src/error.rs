//! The error of the services: code and details for clients, the cause for the log.

use std::error::Error;
use tenantry_kernel::{Coded, ErrorCode, FieldError};

/// The reason why a request failed.
#[derive(Debug)]
pub struct ServiceError {
    /// The public code.
    pub code: ErrorCode,
    /// The invalid fields, or the missing permission.
    pub details: Vec<FieldError>,
    /// Seconds to wait before the next attempt.
    pub retry_after_seconds: Option<u64>,
    /// The cause, for the log.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
    is_collision: bool,
}

impl ServiceError {
    /// Seconds to wait when a service that we depend on does not respond.
    const UNAVAILABLE_SECONDS: u64 = 1;

    /// Creates a failure without details.
    pub fn new(code: ErrorCode) -> Self {
        let retry_after_seconds = (code == ErrorCode::UNAVAILABLE).then_some(Self::UNAVAILABLE_SECONDS);
        Self { code, details: Vec::new(), retry_after_seconds, cause: None, is_collision: false }
    }

    /// Creates a failure for a defect of this program.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(ErrorCode::INTERNAL) }
    }

    /// Creates a failure for invalid fields.
    pub fn invalid(details: Vec<FieldError>) -> Self {
        Self { details, ..Self::new(ErrorCode::VALIDATION_FAILED) }
    }

    /// Creates a failure for too many attempts or requests.
    pub fn too_many(retry_after_seconds: u64) -> Self {
        Self { retry_after_seconds: Some(retry_after_seconds), ..Self::new(ErrorCode::RATE_LIMITED) }
    }

    /// Returns the same failure with these details.
    #[must_use]
    pub fn detail(mut self, detail: FieldError) -> Self {
        self.details.push(detail);
        self
    }

    /// Returns the same failure without its cause.
    pub fn public_part(&self) -> Self {
        Self { details: self.details.clone(), retry_after_seconds: self.retry_after_seconds, ..Self::new(self.code) }
    }

    /// Returns whether concurrent changes collided, so that the whole unit may be retried.
    pub fn is_collision(&self) -> bool {
        self.is_collision
    }
}

impl<E: Coded + Send + Sync + 'static> From<E> for ServiceError {
    fn from(error: E) -> Self {
        let (code, details, is_collision) = (error.code(), error.details(), error.is_collision());
        Self { details, is_collision, cause: Some(Box::new(error)), ..Self::new(code) }
    }
}

/// Formats an error with its causes. For a failing store, only the innermost cause tells the reason.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let links = std::iter::successors(Some(error), |link| (*link).source()).map(ToString::to_string);
    links.collect::<Vec<_>>().join(": ")
}
