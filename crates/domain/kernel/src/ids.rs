//! Typed ids: UUIDv7 (RFC 9562), written in lower case and hyphenated. The compiler refuses one kind of id in place of
//! another.

use uuid::{Uuid, fmt::Hyphenated};

/// The text is not a hyphenated UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hyphenated UUID")]
pub struct IdError;

/// Declares a type of id. A crate that declares an id of a possible target of events also implements its conversion
/// into [`Target`](crate::Target).
///
/// ```
/// tenantry_kernel::id!(
///     /// An invoice.
///     InvoiceId
/// );
/// assert!("1".parse::<InvoiceId>().is_err());
/// ```
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($crate::macros::Uuid);

        impl $name {
            /// Returns a new id, ordered by the context's clock.
            pub fn new(context: &$crate::Context) -> Self {
                Self(context.uuid_v7())
            }

            /// Creates an id from the UUID of a repository or a verified token.
            pub const fn from_uuid(id: $crate::macros::Uuid) -> Self {
                Self(id)
            }

            /// Returns the bare UUID.
            pub const fn uuid(self) -> $crate::macros::Uuid {
                self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self.0.as_hyphenated(), f)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::IdError;

            fn from_str(text: &str) -> Result<Self, $crate::IdError> {
                $crate::macros::parse_uuid(text).map(Self)
            }
        }

        impl $crate::macros::Serialize for $name {
            fn serialize<S: $crate::macros::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::macros::Serialize::serialize(&self.0, serializer)
            }
        }

        impl<'de> $crate::macros::Deserialize<'de> for $name {
            fn deserialize<D: $crate::macros::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::macros::Deserialize::deserialize(deserializer).map(Self)
            }
        }
    };
}

/// Items of other crates that this crate's macros refer to.
#[doc(hidden)]
pub mod macros {
    pub use super::parse_uuid;
    pub use serde::{Deserialize, Deserializer, Serialize, Serializer};
    pub use uuid::Uuid;
}

/// Parses an id that a client or a person has written: a hyphenated UUID in either case (RFC 9562, 4). Ids are compared
/// only after they are parsed.
pub fn parse_uuid(text: &str) -> Result<Uuid, IdError> {
    if text.len() == Hyphenated::LENGTH { Uuid::try_parse(text).map_err(|_| IdError) } else { Err(IdError) }
}

/// Parses an id that this program has written, where another text of the same id would be a forgery or another's name:
/// a UUIDv7 in lower case.
pub fn parse_own_id(text: &str) -> Result<Uuid, IdError> {
    let id = parse_uuid(text)?;
    let is_own = id.get_version_num() == 7 && *id.as_hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]) == *text;
    if is_own { Ok(id) } else { Err(IdError) }
}

id!(
    /// A customer's organisation. Data of one tenant is isolated from every other.
    TenantId
);
id!(
    /// A user. Users are global; a membership adds a user to a tenant.
    UserId
);
id!(
    /// One signed-in device in at most one tenant.
    SessionId
);
id!(
    /// The sign-in that a session and its siblings in other tenants come from.
    SignInId
);
id!(
    /// A named set of permissions inside one tenant.
    RoleId
);
id!(
    /// One entry of the journal.
    EventId
);
id!(
    /// One HTTP request or one command-line call.
    RequestId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_either_case_and_written_in_lower_case() {
        let id = "0192f0c1-2345-7abc-8def-0123456789ab";
        for text in [id, "0192F0C1-2345-7ABC-8DEF-0123456789AB", "0192F0C1-2345-7abc-8DEF-0123456789ab"] {
            assert_eq!(text.parse::<TenantId>().map(|id| id.to_string()), Ok(id.to_owned()));
            assert_eq!(parse_own_id(text).is_ok(), text == id, "{text}");
        }
        let of_others = "0192f0c1-2345-4abc-8def-0123456789ab";
        assert!(of_others.parse::<TenantId>().is_ok() && parse_own_id(of_others).is_err());
        for bad in [
            "0192f0c123457abc8def0123456789ab",
            "{0192f0c1-2345-7abc-8def-0123456789ab}",
            "urn:uuid:0192f0c1-2345-7abc-8def-0123456789ab",
            "0192f0c1-2345-7abc-8def-0123456789ab ",
            "",
            "1",
        ] {
            assert_eq!(bad.parse::<TenantId>(), Err(IdError), "{bad}");
        }
    }
}
