//! Typed ids: UUIDv7 (RFC 9562), lower-case and hyphenated in text, so that one kind of id cannot stand in for another.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

use crate::World;

/// The text is not a lower-case, hyphenated UUIDv7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a lower-case, hyphenated UUIDv7")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, ordered by the world's clock.
            pub fn new(world: &World) -> Self {
                Self(world.uuid_v7())
            }

            /// Takes an id that a repository or a verified token holds already.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The bare UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_v7(text).map(Self)
            }
        }
    };
}

fn parse_v7(text: &str) -> Result<Uuid, IdError> {
    let id = Uuid::try_parse(text).map_err(|_| IdError)?;
    let canonical = id.get_version_num() == 7 && *id.as_hyphenated().encode_lower(&mut [0; 36]) == *text;
    if canonical { Ok(id) } else { Err(IdError) }
}

id!(
    /// A customer's organisation: the wall that data does not cross.
    TenantId
);
id!(
    /// A person. People are global; a membership puts them in a tenant.
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
    /// An offer to join a tenant.
    InvitationId
);
id!(
    /// A registration that waits for its address to be confirmed.
    RegistrationId
);
id!(
    /// A piece of background work.
    JobId
);
id!(
    /// A file of a tenant. Its bytes lie under the same id.
    FileId
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
    fn only_the_canonical_form_of_a_v7_is_an_id() {
        let good = "0192f0c1-2345-7abc-8def-0123456789ab";
        assert_eq!(good.parse::<TenantId>().map(|id| id.to_string()), Ok(good.to_owned()));
        for bad in [
            "0192F0C1-2345-7ABC-8DEF-0123456789AB",
            "0192f0c123457abc8def0123456789ab",
            "{0192f0c1-2345-7abc-8def-0123456789ab}",
            "urn:uuid:0192f0c1-2345-7abc-8def-0123456789ab",
            "0192f0c1-2345-4abc-8def-0123456789ab",
            "",
            "1",
        ] {
            assert_eq!(bad.parse::<TenantId>(), Err(IdError), "{bad}");
        }
    }
}
