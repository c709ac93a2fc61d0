use std::{error::Error, ops::Deref};
use tenantry_kernel::{ErrorCode, FieldError};
use tenantry_service::ServiceError;

/// A request that cannot be done, as HTTP answers it.
#[derive(Debug)]
pub struct Failure(ServiceError);

impl Failure {
    /// A failure that its code says everything about.
    pub fn new(code: ErrorCode) -> Self {
        Self(ServiceError::new(code))
    }

    /// A defect of ours.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(ServiceError::internal(cause))
    }

    /// Fields that are not valid.
    pub fn invalid(details: Vec<FieldError>) -> Self {
        Self(ServiceError::invalid(details))
    }

    /// A request too many.
    pub fn too_many(retry_after_seconds: u64) -> Self {
        Self(ServiceError::too_many(retry_after_seconds))
    }

    /// The same failure with what is wrong in detail.
    #[must_use]
    pub fn detail(self, detail: FieldError) -> Self {
        Self(self.0.detail(detail))
    }

    /// The same failure without its cause.
    pub(crate) fn public_part(&self) -> Self {
        Self(self.0.public_part())
    }

    /// The failure as the services know it.
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
