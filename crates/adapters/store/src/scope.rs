//! What a unit may see, fixed when it opens.

use tenantry_kernel::{TenantId, UserId};

/// What a unit may see and change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A request in a tenant: that tenant's rows, and the person's own.
    Tenant {
        /// The tenant.
        tenant: TenantId,
        /// The person who asks.
        person: UserId,
    },
    /// A person's own affairs across tenants.
    Person(UserId),
    /// Everything. Each reason to open such a unit stands in [`SystemReason`].
    System(SystemReason),
}

/// Why a unit may see everything: the whole list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemReason {
    /// Nobody is known yet: registering makes the first rows of a tenant.
    Registration,
    /// Nobody is known yet: the person is looked up by address, and tries are counted.
    SignIn,
    /// A session is known by a token only.
    Token,
    /// What a session may do is looked up on behalf of every request.
    Authority,
    /// A link is known by its token only; whom it is for and what it may do is looked up.
    Link,
    /// A session is opened in another tenant than the one in which it is asked for.
    Switch,
    /// Work in the background, whoever caused it.
    Worker,
    /// A person's name stands in the search keys of every tenant that they are in.
    OwnProfile,
    /// A refusal is noted, whoever it befell.
    Refusal,
    /// What is kept to the minute is written for many sessions at once.
    Usage,
    /// The operator at the command line.
    CommandLine,
    /// The server looks after itself: start-up checks, health.
    Maintenance,
}

impl Scope {
    /// The scope of a signed-in person: their session's tenant, or their own affairs when it has none.
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
