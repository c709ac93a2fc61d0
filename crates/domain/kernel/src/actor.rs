//! Who does something, and from where.

use std::net::IpAddr;

use crate::{Authority, SessionId, TenantId, TraceContext, UserId};

/// What sort of actor it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// A person, signed in or signing in.
    User,
    /// Tenantry itself.
    System,
    /// Someone with access to the installation, at its command line.
    Operator,
}

impl ActorKind {
    /// The name in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::Operator => "operator",
        }
    }

    /// The kind of that name in the journal.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::System, Self::Operator].into_iter().find(|kind| kind.name() == name)
    }
}

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The request, and the trace that it is part of.
    pub trace: TraceContext,
    /// The client's address, as far as proxies are trusted to tell it.
    pub ip: Option<IpAddr>,
    /// The client's own description, at most [`Origin::MAX_USER_AGENT_CHARS`] characters, on one line.
    pub user_agent: Option<String>,
}

impl Origin {
    /// Where a longer user agent is cut.
    pub const MAX_USER_AGENT_CHARS: usize = 400;
}

/// Who does something.
#[derive(Debug, Clone)]
pub struct Actor {
    /// What sort of actor it is.
    pub kind: ActorKind,
    /// The person, for users.
    pub user: Option<UserId>,
    /// What the actor is called.
    pub name: Option<String>,
    /// The session through which a signed-in person acts.
    pub session: Option<SessionId>,
    /// The tenant of that session.
    pub tenant: Option<TenantId>,
    /// The person in whose place an operator acts.
    pub on_behalf_of: Option<UserId>,
    /// Where the request came from.
    pub origin: Origin,
}

impl Actor {
    /// The person who holds this authority.
    pub fn signed_in(authority: &Authority, origin: Origin) -> Self {
        Self {
            kind: ActorKind::User,
            user: Some(authority.user),
            name: Some(authority.name.clone()),
            session: Some(authority.session),
            tenant: authority.tenant_id(),
            on_behalf_of: None,
            origin,
        }
    }

    /// Somebody who is not signed in: whoever registers or signs in.
    pub fn anonymous(origin: Origin) -> Self {
        Self { kind: ActorKind::User, user: None, name: None, session: None, tenant: None, on_behalf_of: None, origin }
    }

    /// Someone at the installation's command line.
    pub fn operator(origin: Origin) -> Self {
        Self { kind: ActorKind::Operator, ..Self::anonymous(origin) }
    }

    /// Tenantry itself, in the background.
    pub fn system(trace: impl Into<TraceContext>) -> Self {
        let origin = Origin { trace: trace.into(), ip: None, user_agent: None };
        Self { kind: ActorKind::System, ..Self::anonymous(origin) }
    }

    /// The same actor, now known to be this person.
    #[must_use]
    pub fn known_as(&self, user: UserId, name: &str) -> Self {
        Self { user: Some(user), name: Some(name.to_owned()), ..self.clone() }
    }

    /// The same actor, acting in this tenant.
    #[must_use]
    pub fn within(&self, tenant: Option<TenantId>) -> Self {
        Self { tenant, ..self.clone() }
    }
}
