//! Error codes, and what can go wrong below a use case.

use serde::Serialize;
use std::{error::Error, fmt};

use crate::{Denied, Permission, PermissionSet, names};

/// What sort of failure a code is. The application maps each kind to one HTTP status. Documents list codes in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// A public error code. The crate that can fail so declares it, by [`codes!`](crate::codes); those that any crate can fail
/// with are constants of this type. Its name never changes once shipped.
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
    /// When the name is not in snake case, or the sentence is none. In a constant that is an error of compilation.
    pub const fn declared(name: &'static str, kind: ErrorKind, sentence: &'static str) -> Self {
        assert!(names::is_snake_case(name), "the name of a code is written in snake case");
        assert!(matches!(sentence.as_bytes(), [b'A'..=b'Z', .., b'.']), "a code says a sentence");
        Self { name, kind, sentence }
    }

    /// Returns the name that clients see.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Returns the kind of failure, which decides the HTTP status.
    pub const fn kind(self) -> ErrorKind {
        self.kind
    }

    /// Returns one sentence for the person who reads the answer.
    pub const fn sentence(self) -> &'static str {
        self.sentence
    }
}

/// Declares error codes as public constants, and lists them as `CODES`: constant, name, kind, sentence.
///
/// ```
/// tenantry_kernel::codes! {
///     INVOICE_PAID "invoice_paid" Conflict "The invoice is paid already.";
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

/// The same for the codes of this crate, as constants of the type.
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
    MALFORMED_BODY "malformed_body" Malformed "The body is not valid JSON in UTF-8, or its framing is broken.";
    INVALID_CURSOR "invalid_cursor" Malformed "The cursor was not made by this list with these filters. Start again from the first page.";
    UNAUTHENTICATED "unauthenticated" Unauthenticated "This needs an access token in the Authorization header.";
    TOKEN_INVALID "token_invalid" Unauthenticated "The token is not one of ours.";
    TOKEN_EXPIRED "token_expired" Unauthenticated "The token has expired. Refresh it or sign in again.";
    SESSION_ENDED "session_ended" Unauthenticated "The session has ended. Sign in again.";
    PERMISSION_DENIED "permission_denied" Forbidden "You do not hold the right that this needs.";
    EMAIL_UNVERIFIED "email_unverified" Forbidden "Verify your e-mail address first.";
    TENANT_SUSPENDED "tenant_suspended" Forbidden "The organisation is suspended.";
    TENANT_REQUIRED "tenant_required" Forbidden "This session is not in any organisation.";
    NOT_FOUND "not_found" NotFound "There is nothing here.";
    METHOD_NOT_ALLOWED "method_not_allowed" MethodNotAllowed "This path does not take that method.";
    TIMEOUT "timeout" TooSlow "The request body did not arrive in time.";
    INVALID_STATE "invalid_state" Conflict "It is not in a state that allows this.";
    VERSION_CONFLICT "version_conflict" Stale "It was changed since you read it. Read it again and decide anew.";
    PAYLOAD_TOO_LARGE "payload_too_large" TooLarge "The body is larger than this route takes.";
    UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" UnsupportedMedia "This route takes application/json (uploads: multipart/form-data), not compressed.";
    VALIDATION_FAILED "validation_failed" Invalid "Some fields are not valid; details names them.";
    RATE_LIMITED "rate_limited" TooMany "Too many requests or attempts. Wait for as long as Retry-After says.";
    INTERNAL "internal" Internal "Something went wrong on our side. The request id helps us to find it.";
    UNAVAILABLE "unavailable" Unavailable "The service cannot answer right now. Try again after Retry-After.";
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
            Self::Collision(_) | Self::Unavailable(_) => ErrorCode::UNAVAILABLE,
            Self::Inconsistent { .. } | Self::Misuse(_) | Self::Failed(_) => ErrorCode::INTERNAL,
        }
    }

    fn is_collision(&self) -> bool {
        matches!(self, Self::Collision(_))
    }
}

impl Coded for Denied {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TenantRequired => ErrorCode::TENANT_REQUIRED,
            Self::TenantSuspended => ErrorCode::TENANT_SUSPENDED,
            Self::EmailUnverified => ErrorCode::EMAIL_UNVERIFIED,
            Self::Missing(_) | Self::OwnerRequired => ErrorCode::PERMISSION_DENIED,
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
