//! Messages about changes of authority between processes. They only make faster what the database reports anyway.

use async_trait::async_trait;
use std::{fmt, str::FromStr};
use tenantry_kernel::{SessionId, TenantId, UserId};
use uuid::Uuid;

/// Port: messages between processes about committed changes. Messages may be lost; correctness must not depend on them.
#[async_trait]
pub trait Invalidation: Send + Sync {
    /// Publishes changes to other processes. Never waits and never fails: what cannot be sent is dropped.
    fn publish(&self, changes: &[InvalidatedSessions]);

    /// Waits for changes of other processes. Changes that this process published are not returned.
    async fn received(&self) -> Vec<InvalidatedSessions>;
}

/// The sessions whose authority has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidatedSessions {
    /// One session.
    Session(SessionId),
    /// Every session of a user.
    User(UserId),
    /// Every session in a tenant.
    Tenant(TenantId),
}

/// The text is not a known change; another release may understand it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an invalidation")]
pub struct UnknownInvalidation;

impl fmt::Display for InvalidatedSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session={id}"),
            Self::User(id) => write!(f, "user={id}"),
            Self::Tenant(id) => write!(f, "tenant={id}"),
        }
    }
}

impl FromStr for InvalidatedSessions {
    type Err = UnknownInvalidation;

    fn from_str(text: &str) -> Result<Self, UnknownInvalidation> {
        let (what, id) = text.split_once('=').ok_or(UnknownInvalidation)?;
        let id = Uuid::parse_str(id).map_err(|_| UnknownInvalidation)?;
        match what {
            "session" => Ok(Self::Session(SessionId::from_uuid(id))),
            "user" => Ok(Self::User(UserId::from_uuid(id))),
            "tenant" => Ok(Self::Tenant(TenantId::from_uuid(id))),
            _ => Err(UnknownInvalidation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let id = Uuid::from_u128(9);
        let changes = [
            InvalidatedSessions::Session(SessionId::from_uuid(id)),
            InvalidatedSessions::User(UserId::from_uuid(id)),
            InvalidatedSessions::Tenant(TenantId::from_uuid(id)),
        ];
        for change in changes {
            assert_eq!(change.to_string().parse(), Ok(change));
        }
        for bad in ["", "user", "user=", "user=x", "planet=00000000-0000-0000-0000-000000000009"] {
            assert_eq!(bad.parse::<InvalidatedSessions>(), Err(UnknownInvalidation), "{bad}");
        }
    }
}
