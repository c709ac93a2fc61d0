//! What goes wrong: the code and details for outside, the cause for the log.

use std::error::Error;
use tenantry_kernel::{Coded, ErrorCode, FieldError};

/// A request that cannot be done.
#[derive(Debug)]
pub struct ServiceError {
    /// The public code.
    pub code: ErrorCode,
    /// What is wrong with which field, or which right is missing.
    pub details: Vec<FieldError>,
    /// How long to wait before trying again.
    pub retry_after_seconds: Option<u64>,
    /// Why, for the log.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
    is_collision: bool,
}

impl ServiceError {
    /// How long to wait when something that we need does not answer.
    const UNAVAILABLE_SECONDS: u64 = 1;

    /// A failure that its code says everything about.
    pub fn new(code: ErrorCode) -> Self {
        let retry_after_seconds = (code == ErrorCode::UNAVAILABLE).then_some(Self::UNAVAILABLE_SECONDS);
        Self { code, details: Vec::new(), retry_after_seconds, cause: None, is_collision: false }
    }

    /// A defect of ours.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(ErrorCode::INTERNAL) }
    }

    /// Fields that are not valid.
    pub fn invalid(details: Vec<FieldError>) -> Self {
        Self { details, ..Self::new(ErrorCode::VALIDATION_FAILED) }
    }

    /// A try or a request too many.
    pub fn too_many(retry_after_seconds: u64) -> Self {
        Self { retry_after_seconds: Some(retry_after_seconds), ..Self::new(ErrorCode::RATE_LIMITED) }
    }

    /// The same failure with what is wrong in detail.
    #[must_use]
    pub fn detail(mut self, detail: FieldError) -> Self {
        self.details.push(detail);
        self
    }

    /// The same failure without its cause.
    pub fn public_part(&self) -> Self {
        Self { details: self.details.clone(), retry_after_seconds: self.retry_after_seconds, ..Self::new(self.code) }
    }

    /// Whether other changes came between, so that the whole unit may be tried again.
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

/// An error and what caused it: of a store that fails, only the last link tells why.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let links = std::iter::successors(Some(error), |link| (*link).source()).map(ToString::to_string);
    links.collect::<Vec<_>>().join(": ")
}
