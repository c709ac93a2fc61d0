use tenantry_kernel::{Coded, Denied, ErrorCode, FieldError, StoreError};

/// Errors of the audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The actor may not do this.
    #[error("denied: {0}")]
    Denied(#[from] Denied),
    /// The actor's session ended while the request was under way.
    #[error("the session has ended")]
    SessionEnded,
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
            Self::Denied(denied) => denied.code(),
            Self::SessionEnded => ErrorCode::SESSION_ENDED,
            Self::RetentionTooShort { .. } => ErrorCode::VALIDATION_FAILED,
            Self::Store(error) => error.code(),
        }
    }

    fn details(&self) -> Vec<FieldError> {
        match self {
            Self::Denied(denied) => denied.details(),
            Self::RetentionTooShort { least } => {
                let message = format!("Must not be less than the {least} days of the organisation's plan.");
                vec![FieldError::new("retentionDays", "too_short", message)]
            }
            _ => Vec::new(),
        }
    }

    fn is_collision(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_collision())
    }
}
