//! The one table of error codes, and what can go wrong below a use case.

use serde::Serialize;
use std::{error::Error, fmt};

use crate::{Denied, Permission, PermissionSet};

/// What sort of failure a code is. The application maps each kind to one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is not in the form that it should have.
    Malformed,
    /// Nobody, or nobody any more, is signed in.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// Not there, or not yours.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The client was too slow.
    TooSlow,
    /// The state of the matter does not allow it.
    Conflict,
    /// The row has moved on since it was read.
    Stale,
    /// Too many bytes.
    TooLarge,
    /// Bytes of a kind that is not taken.
    UnsupportedMedia,
    /// No such part of the thing.
    Unsatisfiable,
    /// Well-formed, but not valid.
    Invalid,
    /// Too many requests.
    TooMany,
    /// A defect of ours.
    Internal,
    /// Something that we need does not answer; later it may.
    Unavailable,
    /// There is no room to keep it.
    Full,
}

macro_rules! codes {
    ($($variant:ident $name:literal $kind:ident $sentence:literal;)*) => {
        /// A public error code. Its name never changes once shipped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $sentence] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name that clients see.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What sort of failure it is.
            pub const fn kind(self) -> ErrorKind {
                match self { $(Self::$variant => ErrorKind::$kind,)* }
            }

            /// One sentence for the person who reads the answer.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }
    };
}

codes! {
    MalformedBody "malformed_body" Malformed "The body is not valid JSON in UTF-8, or its framing is broken.";
    InvalidCursor "invalid_cursor" Malformed "The cursor was not made by this list with these filters. Start again from the first page.";
    IdempotencyKeyInvalid "idempotency_key_invalid" Malformed "The Idempotency-Key is not 1 to 255 visible characters, or this route takes none.";
    Unauthenticated "unauthenticated" Unauthenticated "This needs an access token in the Authorization header.";
    TokenInvalid "token_invalid" Unauthenticated "The token is not one of ours.";
    TokenExpired "token_expired" Unauthenticated "The token has expired. Refresh it or sign in again.";
    SessionEnded "session_ended" Unauthenticated "The session has ended. Sign in again.";
    InvalidCredentials "invalid_credentials" Unauthenticated "The e-mail address or the password is wrong.";
    PermissionDenied "permission_denied" Forbidden "You do not hold the right that this needs.";
    RoleEscalation "role_escalation" Forbidden "You cannot confer rights that you do not hold yourself.";
    EmailUnverified "email_unverified" Forbidden "Verify your e-mail address first.";
    TenantSuspended "tenant_suspended" Forbidden "The organisation is suspended.";
    TenantRequired "tenant_required" Forbidden "This session is not in any organisation.";
    RegistrationClosed "registration_closed" Forbidden "Registration is closed on this installation.";
    OriginNotAllowed "origin_not_allowed" Forbidden "Requests with the session cookie must come from an allowed origin.";
    NotFound "not_found" NotFound "There is nothing here.";
    MethodNotAllowed "method_not_allowed" MethodNotAllowed "This path does not take that method.";
    Timeout "timeout" TooSlow "The request body did not arrive in time.";
    EmailTaken "email_taken" Conflict "There is an account with this e-mail address already.";
    SlugTaken "slug_taken" Conflict "Another organisation has this slug.";
    RoleNameTaken "role_name_taken" Conflict "Another role of the organisation has this name.";
    RoleInUse "role_in_use" Conflict "The role is held by somebody, or offered by an open invitation.";
    RoleIsSystem "role_is_system" Conflict "Default roles cannot be changed or deleted.";
    LastOwner "last_owner" Conflict "The organisation would be left without an active owner.";
    AlreadyMember "already_member" Conflict "This person is a member of the organisation already.";
    InvalidState "invalid_state" Conflict "It is not in a state that allows this.";
    IdempotencyInProgress "idempotency_in_progress" Conflict "The first request with this Idempotency-Key is still at work. Ask again in a moment.";
    QuotaExceeded "quota_exceeded" Conflict "The organisation's plan has no room for this. Delete files, or take a larger plan.";
    VersionConflict "version_conflict" Stale "It was changed since you read it. Read it again and decide anew.";
    PayloadTooLarge "payload_too_large" TooLarge "The body is larger than this route takes.";
    UnsupportedMediaType "unsupported_media_type" UnsupportedMedia "This route takes application/json (uploads: multipart/form-data), not compressed.";
    RangeNotSatisfiable "range_not_satisfiable" Unsatisfiable "The file has no bytes in this range.";
    ValidationFailed "validation_failed" Invalid "Some fields are not valid; details names them.";
    WeakPassword "weak_password" Invalid "The password is too easy to guess. Take a longer one, or one made of unrelated words.";
    LinkInvalid "link_invalid" Invalid "The link is not valid any more: it was used, replaced or withdrawn, or its time is over.";
    IdempotencyMismatch "idempotency_mismatch" Invalid "This Idempotency-Key was used for another request. Take a new one.";
    RateLimited "rate_limited" TooMany "Too many requests or attempts. Wait for as long as Retry-After says.";
    Internal "internal" Internal "Something went wrong on our side. The request id helps us to find it.";
    Unavailable "unavailable" Unavailable "The service cannot answer right now. Try again after Retry-After.";
    StorageFull "storage_full" Full "There is no room left to keep files. The operator must make some.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wrong with one field of a request, or which right is missing. Never holds the refused value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The path of the field, as the client wrote it: `name`, `permissions[2]`.
    pub field: String,
    /// What sort of mistake it is, for programs.
    pub code: &'static str,
    /// The same for people.
    pub message: String,
}

impl FieldError {
    /// A mistake in one field.
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// Why a repository could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Other changes came between; the whole unit may be tried again.
    #[error("the change collided with another")]
    Collision(#[source] Box<dyn Error + Send + Sync>),
    /// The store does not answer in time, or at all.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A row cannot become an entity, or a statement did not hit the rows it must hit.
    #[error("{table}.{column} holds what no entity can hold")]
    Inconsistent {
        /// The table of the row.
        table: &'static str,
        /// The column, or what was expected of the statement.
        column: &'static str,
    },
    /// A port was used in a scope that does not allow it: a defect of ours.
    #[error("{0}")]
    Misuse(&'static str),
    /// Anything else that the store says.
    #[error("the store failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// An error that has a public code. What is shown outside is the code and the details; the error itself, with its
/// sources, is for the log.
pub trait Coded: Error {
    /// The public code.
    fn code(&self) -> ErrorCode;

    /// What is wrong with which field, or which right is missing.
    fn details(&self) -> Vec<FieldError> {
        Vec::new()
    }

    /// Whether the whole unit may be tried again.
    fn is_collision(&self) -> bool {
        false
    }
}

impl Coded for StoreError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Collision(_) | Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::Inconsistent { .. } | Self::Misuse(_) | Self::Failed(_) => ErrorCode::Internal,
        }
    }

    fn is_collision(&self) -> bool {
        matches!(self, Self::Collision(_))
    }
}

impl Coded for Denied {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TenantRequired => ErrorCode::TenantRequired,
            Self::TenantSuspended => ErrorCode::TenantSuspended,
            Self::EmailUnverified => ErrorCode::EmailUnverified,
            Self::Missing(_) | Self::OwnerRequired => ErrorCode::PermissionDenied,
        }
    }

    fn details(&self) -> Vec<FieldError> {
        match self {
            Self::TenantRequired | Self::TenantSuspended | Self::EmailUnverified => Vec::new(),
            Self::Missing(permissions) => missing_permissions(*permissions),
            Self::OwnerRequired => {
                vec![FieldError::new(Permission::TENANT_OWN.name(), "owner_required", "Only an owner may do this.")]
            }
        }
    }
}

/// One detail for each permission that somebody does not hold.
pub fn missing_permissions(permissions: PermissionSet) -> Vec<FieldError> {
    permissions
        .iter()
        .map(|p| FieldError::new(p.name(), "missing_permission", format!("You do not hold {p}.")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_snake_case_and_sentences_are_sentences() {
        let names: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert!(code.name().chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code}");
            assert!(code.sentence().ends_with('.'), "{code}");
        }
    }
}
