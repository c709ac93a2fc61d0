//! Authorization: the requirement of a command, the function that checks it, and the error of a refusal.

use crate::{Action, Actor, ActorKind, Authorities, Authority, Context, Permission, Principal, StoreError};

/// Reason why an actor may not issue a command.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No live session acts: it has ended, or it never existed.
    #[error("the session has ended")]
    SessionEnded,
    /// The session is in no tenant.
    #[error("the session is in no tenant")]
    TenantRequired,
    /// The tenant is suspended.
    #[error("the tenant is suspended")]
    TenantSuspended,
    /// These permissions are missing: all of them, or one of which would be enough.
    #[error("missing {0:?}")]
    Missing(Vec<Permission>),
    /// The command needs an owner.
    #[error("only an owner may do this")]
    OwnerRequired,
    /// The command needs an operator.
    #[error("only an operator may do this")]
    OperatorRequired,
    /// The user has not verified their address.
    #[error("the address is not verified")]
    EmailUnverified,
    /// The authority could not be looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The requirement of a command. The check, the 403 response and the OpenAPI document read this one constant of the
/// command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Any live session, also without a tenant or in a suspended one.
    SignedIn,
    /// A session in an active tenant.
    Member,
    /// All of these permissions.
    All(&'static [Permission]),
    /// At least one of these permissions.
    Any(&'static [Permission]),
    /// Ownership of the tenant.
    Owner,
    /// An operator.
    Operator,
    /// An operator, or a session that meets this requirement.
    OperatorOr(&'static Requirement),
}

impl Requirement {
    /// Fails unless the authority meets the requirement.
    pub fn check(self, authority: &Authority) -> Result<(), Refusal> {
        let is_operator = matches!(authority.principal, Principal::Operator);
        match self {
            Self::Operator | Self::OperatorOr(_) if is_operator => return Ok(()),
            Self::Operator => return Err(Refusal::OperatorRequired),
            Self::OperatorOr(requirement) => return requirement.check(authority),
            Self::SignedIn => return authority.session().map(|_| ()),
            Self::Member | Self::All(_) | Self::Any(_) | Self::Owner => {}
        }
        let tenant = authority.active_tenant()?;
        match self {
            Self::All(wanted) => {
                let missing: Vec<_> = wanted.iter().filter(|p| !tenant.permissions.contains(p)).cloned().collect();
                if missing.is_empty() { Ok(()) } else { Err(Refusal::Missing(missing)) }
            }
            Self::Any(wanted) if !wanted.iter().any(|p| tenant.permissions.contains(p)) => {
                Err(Refusal::Missing(wanted.to_vec()))
            }
            Self::Owner if !tenant.is_owner() => Err(Refusal::OwnerRequired),
            _ => Ok(()),
        }
    }
}

/// A command of a principal. Its type states the required authority and the events that it can append.
pub trait Command {
    /// The authority that the command requires.
    const REQUIRES: Requirement;
    /// The events that the command can append. A refusal carries the first one.
    const EVENTS: &'static [Action];
    /// Whether the command changes authority in the actor's tenant, or must not run concurrently with a command that
    /// does. [`authorize`] then locks the tenant before it looks up.
    const LOCKS_TENANT: bool = false;
}

/// Looks up the actor's current authority in the unit and checks it against the command. The authority that was known
/// when the request arrived is not trusted: it may be minutes old.
///
/// Locks the actor's tenant first if [`Command::LOCKS_TENANT`] is set. Call it then before the unit reads anything.
pub async fn authorize<C: Command>(
    unit: &mut (impl Authorities + ?Sized),
    actor: &Actor,
    context: &Context,
) -> Result<Authority, Refusal> {
    if matches!(actor.kind, ActorKind::User { .. } | ActorKind::Anonymous) {
        return Err(Refusal::SessionEnded);
    }
    if C::LOCKS_TENANT
        && let Some(tenant) = actor.tenant
    {
        unit.lock_tenant(tenant).await?;
    }
    let authority = match actor.kind {
        ActorKind::Operator => Authority::of_installation(Principal::Operator),
        ActorKind::System => Authority::of_installation(Principal::System),
        _ => {
            let (session, _) = actor.session()?;
            unit.authority_of(session, context.now()).await?.ok_or(Refusal::SessionEnded)?
        }
    };
    C::REQUIRES.check(&authority)?;
    Ok(authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Assurance, EmailAddress, PermissionSet, SessionId, SessionPrincipal, SignInId, TenantAuthority, TenantId,
        TenantStatus, Timestamp, UserId,
    };
    use uuid::Uuid;

    const READ: &[Permission] = &[Permission::declared("roles:read")];
    const OF_SESSIONS: [Requirement; 5] = [
        Requirement::SignedIn,
        Requirement::Member,
        Requirement::All(READ),
        Requirement::Any(READ),
        Requirement::Owner,
    ];

    fn of_session(permissions: PermissionSet) -> Authority {
        let at = Timestamp::from_unix_millis(0).unwrap();
        Authority {
            principal: Principal::Session(SessionPrincipal {
                session: SessionId::from_uuid(Uuid::nil()),
                sign_in: SignInId::from_uuid(Uuid::nil()),
                created_at: at,
                expires_at: at,
                seen_rotation: 0,
                user: UserId::from_uuid(Uuid::nil()),
                email: EmailAddress::parse("ada@example.com").unwrap(),
                name: "Ada".to_owned(),
                user_created_at: at,
                user_version: 1,
            }),
            assurance: Assurance { email_verified: true },
            tenant: Some(TenantAuthority {
                id: TenantId::from_uuid(Uuid::nil()),
                name: "Acme".to_owned(),
                slug: "acme".to_owned(),
                plan: "starter".to_owned(),
                status: TenantStatus::Active,
                created_at: at,
                roles: Vec::new(),
                permissions,
            }),
        }
    }

    #[test]
    fn operators_and_the_system_meet_only_what_names_them() {
        let operator = Authority::of_installation(Principal::Operator);
        let system = Authority::of_installation(Principal::System);
        for requirement in OF_SESSIONS {
            assert!(requirement.check(&operator).is_err(), "{requirement:?}");
            assert!(requirement.check(&system).is_err(), "{requirement:?}");
        }
        for requirement in [Requirement::Operator, Requirement::OperatorOr(&Requirement::Owner)] {
            assert!(requirement.check(&operator).is_ok(), "{requirement:?}");
            assert!(requirement.check(&system).is_err(), "{requirement:?}");
        }
    }

    #[test]
    fn sessions_meet_what_their_rights_allow_and_never_an_operators_requirement() {
        let reader: PermissionSet = READ.iter().cloned().collect();
        let owner = reader.iter().cloned().chain([Permission::TENANT_OWN]).collect();
        let (owner, reader) = (of_session(owner), of_session(reader));
        for requirement in OF_SESSIONS {
            assert!(requirement.check(&owner).is_ok(), "{requirement:?}");
        }
        assert!(matches!(Requirement::Owner.check(&reader), Err(Refusal::OwnerRequired)));
        assert!(matches!(Requirement::Operator.check(&owner), Err(Refusal::OperatorRequired)));
        assert!(Requirement::OperatorOr(&Requirement::All(READ)).check(&reader).is_ok());
        assert!(matches!(Requirement::OperatorOr(&Requirement::Owner).check(&reader), Err(Refusal::OwnerRequired)));
        let without = Authority { tenant: None, ..owner };
        assert!(Requirement::SignedIn.check(&without).is_ok());
        assert!(matches!(Requirement::Member.check(&without), Err(Refusal::TenantRequired)));
    }
}
