use std::{error::Error, ops::Deref};
use tenantry_kernel::{ErrorCode, FieldError};
use tenantry_service::ServiceError;

/// A failed request, in the form that the HTTP layer responds with.
#[derive(Debug)]
pub struct Failure(ServiceError);

impl Failure {
    /// Creates a failure without details.
    pub fn new(code: ErrorCode) -> Self {
        Self(ServiceError::new(code))
    }

    /// Creates a failure for a defect of this program.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(ServiceError::internal(cause))
    }

    /// Creates a failure for invalid fields.
    pub fn invalid(details: Vec<FieldError>) -> Self {
        Self(ServiceError::invalid(details))
    }

    /// Creates a failure for too many requests.
    pub fn too_many(retry_after_seconds: u64) -> Self {
        Self(ServiceError::too_many(retry_after_seconds))
    }

    /// Returns the same failure with these details.
    #[must_use]
    pub fn detail(self, detail: FieldError) -> Self {
        Self(self.0.detail(detail))
    }

    /// Returns the same failure without its cause.
    pub(crate) fn public_part(&self) -> Self {
        Self(self.0.public_part())
    }

    /// Returns the failure in the type of the services.
    pub(crate) fn into_inner(self) -> ServiceError {
        self.0
    }
}

impl Deref for Failure {
    type Target = ServiceError;

    fn deref(&self) -> &ServiceError {
        &self.0
    }
}

impl<E: Into<ServiceError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}
