//! Actors, and the origin of their requests.

use std::net::IpAddr;

use crate::{Authority, Principal, Refusal, SessionId, TenantId, TraceContext, UserId};

/// Origin of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The request and its trace.
    pub trace: TraceContext,
    /// The client's network address, as far as trusted proxies state it.
    pub ip: Option<IpAddr>,
    /// The client's `User-Agent`, at most [`Origin::MAX_USER_AGENT_CHARS`] characters, on one line.
    pub user_agent: Option<String>,
}

impl Origin {
    /// Length in characters to which a longer `User-Agent` is truncated.
    pub const MAX_USER_AGENT_CHARS: usize = 400;
}

/// The kind of an actor, with the data of this kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorKind {
    /// A user who acts through a session.
    Session {
        /// The session.
        session: SessionId,
        /// The user.
        user: UserId,
        /// The user's name; `None` where only the session was looked up.
        name: Option<String>,
    },
    /// A user who has proved their identity and acts through no session.
    User {
        /// The user.
        user: UserId,
        /// The user's name.
        name: String,
    },
    /// A user who has not proved their identity: they register, sign in or follow a link.
    Anonymous,
    /// An operator at the installation's command line.
    Operator,
    /// The server itself, in the background.
    System,
}

/// An actor of a use case.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The kind, with its data.
    pub kind: ActorKind,
    /// The tenant in which the actor acts. Its log holds the actor's events.
    pub tenant: Option<TenantId>,
    /// Origin of the request.
    pub origin: Origin,
}

impl Actor {
    /// Creates the actor of this authority, in the authority's tenant.
    pub fn of(authority: &Authority, origin: Origin) -> Self {
        let kind = match &authority.principal {
            Principal::Session(session) => {
                ActorKind::Session { session: session.session, user: session.user, name: Some(session.name.clone()) }
            }
            Principal::Operator => ActorKind::Operator,
            Principal::System => ActorKind::System,
        };
        Self { kind, tenant: authority.tenant_id(), origin }
    }

    /// Creates the actor of a request without a session.
    pub fn anonymous(origin: Origin) -> Self {
        Self { kind: ActorKind::Anonymous, tenant: None, origin }
    }

    /// Creates an operator at the installation's command line.
    pub fn operator(origin: Origin) -> Self {
        Self { kind: ActorKind::Operator, tenant: None, origin }
    }

    /// Creates the actor of background work.
    pub fn system(trace: impl Into<TraceContext>) -> Self {
        let origin = Origin { trace: trace.into(), ip: None, user_agent: None };
        Self { kind: ActorKind::System, tenant: None, origin }
    }

    /// Returns the same actor, now known to be this user. A session stays a session; an operator and the system stay
    /// what they are.
    #[must_use]
    pub fn known_as(&self, user: UserId, name: &str) -> Self {
        let kind = match &self.kind {
            ActorKind::Session { session, .. } => {
                ActorKind::Session { session: *session, user, name: Some(name.to_owned()) }
            }
            ActorKind::User { .. } | ActorKind::Anonymous => ActorKind::User { user, name: name.to_owned() },
            ActorKind::Operator | ActorKind::System => self.kind.clone(),
        };
        Self { kind, ..self.clone() }
    }

    /// Returns the same actor, acting in this tenant.
    #[must_use]
    pub fn within(&self, tenant: Option<TenantId>) -> Self {
        Self { tenant, ..self.clone() }
    }

    /// Returns the name of the actor's type in entries of the journal.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            ActorKind::Session { .. } | ActorKind::User { .. } | ActorKind::Anonymous => "user",
            ActorKind::Operator => "operator",
            ActorKind::System => "system",
        }
    }

    /// Returns the user who acts, if known.
    pub fn user(&self) -> Option<UserId> {
        match self.kind {
            ActorKind::Session { user, .. } | ActorKind::User { user, .. } => Some(user),
            ActorKind::Anonymous | ActorKind::Operator | ActorKind::System => None,
        }
    }

    /// Returns the user's name, if known.
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            ActorKind::Session { name, .. } => name.as_deref(),
            ActorKind::User { name, .. } => Some(name),
            ActorKind::Anonymous | ActorKind::Operator | ActorKind::System => None,
        }
    }

    /// Returns the session and its user. Fails with [`Refusal::SessionEnded`] for an actor without a session.
    pub fn session(&self) -> Result<(SessionId, UserId), Refusal> {
        match self.kind {
            ActorKind::Session { session, user, .. } => Ok((session, user)),
            _ => Err(Refusal::SessionEnded),
        }
    }
}
