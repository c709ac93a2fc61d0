use tenantry_kernel::{Coded, ErrorCode, FieldError, Permission, Refusal, StoreError, missing_permissions};

use crate::vocabulary::{
    ALREADY_MEMBER, LAST_OWNER, ROLE_ESCALATION, ROLE_IN_USE, ROLE_IS_SYSTEM, ROLE_NAME_TAKEN, SLUG_TAKEN,
};

/// Why something about a tenant, a role or a membership cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum TenancyError {
    /// The actor may not do this.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The actor would confer rights that they do not hold.
    #[error("would confer {0:?}")]
    Escalation(Vec<Permission>),
    /// A custom role would hold what only the owner's role holds.
    #[error("ownership is no part of a custom role")]
    OwnershipInCustomRole,
    /// No such thing in this tenant.
    #[error("not found")]
    NotFound,
    /// A role named in the request is not one of this tenant's.
    #[error("a role of the request does not exist")]
    UnknownRole {
        /// Its place in the request.
        field: String,
    },
    /// The row has another version than the one that the caller has seen.
    #[error("the version has moved on")]
    VersionConflict,
    /// Another tenant has the slug.
    #[error("the slug is taken")]
    SlugTaken,
    /// Another role has the name.
    #[error("the role name is taken")]
    RoleNameTaken,
    /// Somebody holds the role.
    #[error("the role is in use")]
    RoleInUse,
    /// Default roles stay as they are.
    #[error("the role is a default role")]
    RoleIsSystem,
    /// The tenant would lose its last active owner.
    #[error("the last owner stays")]
    LastOwner,
    /// The person is a member already.
    #[error("is a member already")]
    AlreadyMember,
    /// It is not in a state that allows this.
    #[error("not in a state that allows this")]
    InvalidState,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for TenancyError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Escalation(_) => ROLE_ESCALATION,
            Self::OwnershipInCustomRole | Self::UnknownRole { .. } => ErrorCode::VALIDATION_FAILED,
            Self::NotFound => ErrorCode::NOT_FOUND,
            Self::VersionConflict => ErrorCode::VERSION_CONFLICT,
            Self::SlugTaken => SLUG_TAKEN,
            Self::RoleNameTaken => ROLE_NAME_TAKEN,
            Self::RoleInUse => ROLE_IN_USE,
            Self::RoleIsSystem => ROLE_IS_SYSTEM,
            Self::LastOwner => LAST_OWNER,
            Self::AlreadyMember => ALREADY_MEMBER,
            Self::InvalidState => ErrorCode::INVALID_STATE,
            Self::Store(error) => error.code(),
        }
    }

    fn details(&self) -> Vec<FieldError> {
        match self {
            Self::Refused(refusal) => refusal.details(),
            Self::Escalation(missing) => missing_permissions(missing),
            Self::OwnershipInCustomRole => {
                vec![FieldError::new("permissions", "reserved", "Only the owner role holds tenant:own.")]
            }
            Self::UnknownRole { field } => {
                vec![FieldError::new(field.as_str(), "not_found", "There is no such role.")]
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
