use tenantry_kernel::{Coded, ErrorCode, FieldError, Permission, Refusal, StoreError, missing_permissions};

use crate::vocabulary::{
    ALREADY_MEMBER, LAST_OWNER, ROLE_ESCALATION, ROLE_IN_USE, ROLE_IS_SYSTEM, ROLE_NAME_TAKEN, SLUG_TAKEN,
};

/// Errors of tenants, roles and memberships.
#[derive(Debug, thiserror::Error)]
pub enum TenancyError {
    /// The actor may not do this.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The actor would confer permissions that they do not hold.
    #[error("would grant {0:?}")]
    Escalation(Vec<Permission>),
    /// A custom role would hold ownership, which only the owner's role holds.
    #[error("a custom role cannot contain ownership")]
    OwnershipInCustomRole,
    /// The tenant has no such role, member or invitation.
    #[error("not found")]
    NotFound,
    /// A role in the request does not belong to this tenant.
    #[error("a role of the request does not exist")]
    UnknownRole {
        /// Its path in the request.
        field: String,
    },
    /// The row has another version than the one that the caller expects.
    #[error("the version has changed")]
    VersionConflict,
    /// Another tenant has the slug.
    #[error("the slug is taken")]
    SlugTaken,
    /// Another role has the name.
    #[error("the role name is taken")]
    RoleNameTaken,
    /// A member holds the role.
    #[error("the role is in use")]
    RoleInUse,
    /// Default roles cannot be changed.
    #[error("the role is a default role")]
    RoleIsSystem,
    /// The tenant would lose its last active owner.
    #[error("the last owner cannot be removed")]
    LastOwner,
    /// The user is already a member.
    #[error("is already a member")]
    AlreadyMember,
    /// The state does not allow this.
    #[error("the state does not allow this")]
    InvalidState,
    /// The store failed.
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
                vec![FieldError::new(field.as_str(), "not_found", "This role does not exist.")]
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
