//! Error codes, and the errors of a store.

use serde::Serialize;
use std::{error::Error, fmt};

use crate::{Permission, Refusal, names};

/// The kind of a failure. The application maps each kind to one HTTP status. Documents list codes in the order of this
/// enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The request does not have the required form.
    Malformed,
    /// The caller is not signed in, or no longer.
    Unauthenticated,
    /// The caller is known, but not allowed to do this.
    Forbidden,
    /// The resource does not exist, or belongs to another tenant.
    NotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The client was too slow.
    TooSlow,
    /// The state of the resource does not allow this.
    Conflict,
    /// The resource has changed since the caller read it.
    Stale,
    /// The request has too many bytes.
    TooLarge,
    /// The body's media type is not accepted.
    UnsupportedMedia,
    /// The requested range does not exist.
    Unsatisfiable,
    /// The request is well-formed, but its values are invalid.
    Invalid,
    /// Too many requests or attempts.
    TooMany,
    /// A defect of the server.
    Internal,
    /// A dependency does not answer; a later request may succeed.
    Unavailable,
    /// The storage is full.
    Full,
}

/// A public error code. The crate whose operations fail with it declares it with [`codes!`](crate::codes); codes that
/// any crate can return are constants of this type. The name never changes once shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode {
    name: &'static str,
    kind: ErrorKind,
    sentence: &'static str,
}

impl ErrorCode {
    /// Declares a code.
    ///
    /// # Panics
    ///
    /// Panics when the name is not in snake case or the sentence is not a sentence. In a constant this is a compile
    /// error.
    pub const fn declared(name: &'static str, kind: ErrorKind, sentence: &'static str) -> Self {
        assert!(names::is_snake_case(name), "the name of a code is written in snake case");
        assert!(
            matches!(sentence.as_bytes(), [b'A'..=b'Z', .., b'.']),
            "the sentence of a code starts with a capital letter and ends with a full stop"
        );
        Self { name, kind, sentence }
    }

    /// Returns the name that clients see.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Returns the kind of failure, which determines the HTTP status.
    pub const fn kind(self) -> ErrorKind {
        self.kind
    }

    /// Returns one sentence for the user who reads the response.
    pub const fn sentence(self) -> &'static str {
        self.sentence
    }
}

/// Declares error codes as public constants, and lists them as `CODES`: constant, name, kind, sentence.
///
/// ```
/// tenantry_kernel::codes! {
///     INVOICE_PAID "invoice_paid" Conflict "The invoice is already paid.";
/// }
/// assert_eq!(CODES, [INVOICE_PAID]);
/// ```
#[macro_export]
macro_rules! codes {
    ($($constant:ident $name:literal $kind:ident $sentence:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $sentence)]
            pub const $constant: $crate::ErrorCode =
                $crate::ErrorCode::declared($name, $crate::ErrorKind::$kind, $sentence);
        )*

        /// Every error code that this crate declares.
        pub const CODES: &[$crate::ErrorCode] = &[$($constant,)*];
    };
}

/// Declares the codes of this crate as constants of the type.
macro_rules! general_codes {
    ($($constant:ident $name:literal $kind:ident $sentence:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("`", $name, "`: ", $sentence)]
                pub const $constant: Self = Self::declared($name, ErrorKind::$kind, $sentence);
            )*

            /// Every code that is a constant of this type.
            pub const GENERAL: &[Self] = &[$(Self::$constant,)*];
        }
    };
}

general_codes! {
    MALFORMED_BODY "malformed_body" Malformed "The body is not valid JSON in UTF-8, or its framing is broken. Correct the body.";
    INVALID_CURSOR "invalid_cursor" Malformed "The cursor does not belong to this list with these parameters. Start again from the first page.";
    UNAUTHENTICATED "unauthenticated" Unauthenticated "The request has no token. Sign in, and send the access token in the Authorization header.";
    TOKEN_INVALID "token_invalid" Unauthenticated "The token is not valid. Sign in again.";
    TOKEN_EXPIRED "token_expired" Unauthenticated "The token has expired. Refresh it, or sign in again.";
    SESSION_ENDED "session_ended" Unauthenticated "The session has ended. Sign in again.";
    PERMISSION_DENIED "permission_denied" Forbidden "You need a permission that you do not hold; details names it.";
    EMAIL_UNVERIFIED "email_unverified" Forbidden "Your email address is not verified. Verify it first.";
    TENANT_SUSPENDED "tenant_suspended" Forbidden "The tenant is suspended. Ask the operator of the service.";
    TENANT_REQUIRED "tenant_required" Forbidden "This session has no tenant. Switch to a tenant first.";
    NOT_FOUND "not_found" NotFound "The path or the resource does not exist, or you may not see it.";
    METHOD_NOT_ALLOWED "method_not_allowed" MethodNotAllowed "The path does not support this method. The Allow header lists the methods that it supports.";
    TIMEOUT "timeout" TooSlow "The request body did not arrive in time. Send the request again.";
    INVALID_STATE "invalid_state" Conflict "The state of the resource does not allow this. Read the resource again.";
    VERSION_CONFLICT "version_conflict" Stale "The resource has changed since you read it. Read it again, and repeat the change if you still want it.";
    PAYLOAD_TOO_LARGE "payload_too_large" TooLarge "The body is larger than this route accepts. Send a smaller one.";
    UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" UnsupportedMedia "This route accepts only uncompressed application/json, or multipart/form-data for uploads.";
    VALIDATION_FAILED "validation_failed" Invalid "Some fields are not valid; details names them.";
    RATE_LIMITED "rate_limited" TooMany "Too many requests or attempts. Wait for the number of seconds in Retry-After.";
    INTERNAL "internal" Internal "The server has failed. Report the request id to the operator of the service.";
    UNAVAILABLE "unavailable" Unavailable "The service is temporarily unavailable. Try again after the number of seconds in Retry-After.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A problem with one field of a request, or a missing permission. It never holds the refused value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Path of the field as the client wrote it: `name`, `permissions[2]`.
    pub field: String,
    /// The kind of problem, for programs.
    pub code: &'static str,
    /// A description for users.
    pub message: String,
}

impl FieldError {
    /// Creates the error of one field.
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// Errors of a repository.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A concurrent change interfered; the whole unit may be retried.
    #[error("the change conflicts with a concurrent one")]
    Collision(#[source] Box<dyn Error + Send + Sync>),
    /// The store does not answer, or not in time.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A row cannot be converted to an entity, or a statement did not change the rows that it must change.
    #[error("{table}.{column} holds an invalid value")]
    Inconsistent {
        /// The table of the row.
        table: &'static str,
        /// The column, or the expectation that the statement did not meet.
        column: &'static str,
    },
    /// A port was used in a scope that does not allow it, which is a defect of the caller.
    #[error("{0}")]
    Misuse(&'static str),
    /// Any other failure of the store.
    #[error("the store failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// An error with a public code. Clients see the code and the details; the error itself and its sources go to the log.
pub trait Coded: Error {
    /// Returns the public code.
    fn code(&self) -> ErrorCode;

    /// Returns the invalid fields or the missing permissions.
    fn details(&self) -> Vec<FieldError> {
        Vec::new()
    }

    /// Returns whether the whole unit may be retried.
    fn is_collision(&self) -> bool {
        false
    }
}

impl Coded for StoreError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Collision(_) | Self::Unavailable(_) => ErrorCode::UNAVAILABLE,
            Self::Inconsistent { .. } | Self::Misuse(_) | Self::Failed(_) => ErrorCode::INTERNAL,
        }
    }

    fn is_collision(&self) -> bool {
        matches!(self, Self::Collision(_))
    }
}

impl Coded for Refusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::SessionEnded => ErrorCode::SESSION_ENDED,
            Self::TenantRequired => ErrorCode::TENANT_REQUIRED,
            Self::TenantSuspended => ErrorCode::TENANT_SUSPENDED,
            Self::EmailUnverified => ErrorCode::EMAIL_UNVERIFIED,
            Self::Missing(_) | Self::OwnerRequired | Self::OperatorRequired => ErrorCode::PERMISSION_DENIED,
            Self::Store(error) => error.code(),
        }
    }

    fn details(&self) -> Vec<FieldError> {
        match self {
            Self::Missing(permissions) => missing_permissions(permissions),
            Self::OwnerRequired => {
                vec![FieldError::new(Permission::TENANT_OWN.name(), "owner_required", "Only an owner may do this.")]
            }
            _ => Vec::new(),
        }
    }

    fn is_collision(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_collision())
    }
}

/// Returns one detail for each missing permission.
pub fn missing_permissions(permissions: &[Permission]) -> Vec<FieldError> {
    permissions
        .iter()
        .map(|p| FieldError::new(p.name(), "missing_permission", format!("You do not hold {p}.")))
        .collect()
}
