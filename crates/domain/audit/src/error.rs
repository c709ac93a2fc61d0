use tenantry_kernel::{Coded, ErrorCode, FieldError, Refusal, StoreError};

/// Errors of the audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The actor may not do this.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The requested retention is shorter than that of the plan.
    #[error("the plan keeps entries for {least} days")]
    RetentionTooShort {
        /// The plan's retention in days.
        least: u32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for AuditError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::RetentionTooShort { .. } => ErrorCode::VALIDATION_FAILED,
            Self::Store(error) => error.code(),
        }
    }

    fn details(&self) -> Vec<FieldError> {
        match self {
            Self::Refused(refusal) => refusal.details(),
            Self::RetentionTooShort { least } => {
                let message = format!("Must not be less than the {least} days of the tenant's plan.");
                vec![FieldError::new("retentionDays", "too_short", message)]
            }
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
