//! Scope of a unit, fixed when it opens.

use tenantry_kernel::{TenantId, UserId};

/// The rows that a unit may see and change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A request in a tenant: the tenant's rows, and the user's own.
    Tenant {
        /// The tenant.
        tenant: TenantId,
        /// The user who sends the request.
        person: UserId,
    },
    /// A user's own rows, across tenants.
    Person(UserId),
    /// All rows. [`SystemReason`] lists the reasons to open such a unit.
    System(SystemReason),
}

/// Every reason for which a unit may see all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemReason {
    /// The caller is unauthenticated: a registration creates the first rows of a tenant.
    Registration,
    /// The caller is unauthenticated: the user is looked up by address, and attempts are counted.
    SignIn,
    /// A session is identified by a token only.
    Token,
    /// The authority of a session is looked up for every request.
    Authority,
    /// A link is identified by its token only; its user and its authority are looked up.
    Link,
    /// A session is opened in another tenant than that of the request.
    Switch,
    /// Background work, for any tenant or user.
    Worker,
    /// A user's name is part of the search keys of every tenant of the user.
    OwnProfile,
    /// A refusal is recorded, for any tenant or user.
    Refusal,
    /// Last-use times, which are kept to the minute, are written for many sessions at once.
    Usage,
    /// The operator at the command line.
    CommandLine,
    /// Maintenance by the server itself: start-up checks, health.
    Maintenance,
}

impl Scope {
    /// Returns the scope of a signed-in user: the tenant of the session, or the user's own rows when it has none.
    pub fn of(person: UserId, tenant: Option<TenantId>) -> Self {
        match tenant {
            Some(tenant) => Self::Tenant { tenant, person },
            None => Self::Person(person),
        }
    }

    pub(crate) fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Tenant { tenant, .. } => Some(tenant),
            Self::Person(_) | Self::System(_) => None,
        }
    }

    pub(crate) fn person(self) -> Option<UserId> {
        match self {
            Self::Tenant { person, .. } | Self::Person(person) => Some(person),
            Self::System(_) => None,
        }
    }

    pub(crate) fn is_system(self) -> bool {
        matches!(self, Self::System(_))
    }
}
