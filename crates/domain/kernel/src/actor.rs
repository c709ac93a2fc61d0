//! Who does something, and from where.

use std::net::IpAddr;

use crate::{Authority, Principal, Refusal, SessionId, TenantId, TraceContext, UserId};

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

/// The kind of an actor, with the data that actors of this kind have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorKind {
    /// A person who acts through a session.
    Session {
        /// The session.
        session: SessionId,
        /// The person.
        user: UserId,
        /// The person's name; `None` where only the session was looked up.
        name: Option<String>,
    },
    /// A person who has proved who they are and acts through no session.
    User {
        /// The person.
        user: UserId,
        /// The person's name.
        name: String,
    },
    /// A person who has not proved who they are: they register, sign in or follow a link.
    Anonymous,
    /// An operator at the installation's command line.
    Operator,
    /// Tenantry itself, in the background.
    System,
}

/// Who does something.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The kind of actor, with its data.
    pub kind: ActorKind,
    /// The tenant in which the actor acts. Events belong to its log.
    pub tenant: Option<TenantId>,
    /// Where the request came from.
    pub origin: Origin,
}

impl Actor {
    /// The actor of this authority, in the authority's tenant.
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

    /// A person who is not signed in.
    pub fn anonymous(origin: Origin) -> Self {
        Self { kind: ActorKind::Anonymous, tenant: None, origin }
    }

    /// An operator at the installation's command line.
    pub fn operator(origin: Origin) -> Self {
        Self { kind: ActorKind::Operator, tenant: None, origin }
    }

    /// Tenantry itself, in the background.
    pub fn system(trace: impl Into<TraceContext>) -> Self {
        let origin = Origin { trace: trace.into(), ip: None, user_agent: None };
        Self { kind: ActorKind::System, tenant: None, origin }
    }

    /// The same actor, now known to be this person. A session stays, and an operator or the system stays what it is.
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

    /// The same actor, acting in this tenant.
    #[must_use]
    pub fn within(&self, tenant: Option<TenantId>) -> Self {
        Self { tenant, ..self.clone() }
    }

    /// The name of the actor's type in entries of the journal.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            ActorKind::Session { .. } | ActorKind::User { .. } | ActorKind::Anonymous => "user",
            ActorKind::Operator => "operator",
            ActorKind::System => "system",
        }
    }

    /// The person who acts, where one is known.
    pub fn user(&self) -> Option<UserId> {
        match self.kind {
            ActorKind::Session { user, .. } | ActorKind::User { user, .. } => Some(user),
            ActorKind::Anonymous | ActorKind::Operator | ActorKind::System => None,
        }
    }

    /// The person's name, where it is known.
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            ActorKind::Session { name, .. } => name.as_deref(),
            ActorKind::User { name, .. } => Some(name),
            ActorKind::Anonymous | ActorKind::Operator | ActorKind::System => None,
        }
    }

    /// The session through which a person acts, and the person. Fails with [`Refusal::SessionEnded`] for every other
    /// actor.
    pub fn session(&self) -> Result<(SessionId, UserId), Refusal> {
        match self.kind {
            ActorKind::Session { session, user, .. } => Ok((session, user)),
            _ => Err(Refusal::SessionEnded),
        }
    }
}
