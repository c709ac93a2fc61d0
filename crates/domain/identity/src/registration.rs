//! Registering: a person, their tenant and their first session in one unit.

use tenantry_kernel::{Action, Actor, Authorities, EmailAddress, Event, Journal, Name, UserId, World};
use tenantry_tenancy::{FoundTenant, Founding, Plan, Slug, Tenant, found_tenant};

use crate::{
    Credential, Credentials, IdentityError, PasswordHash, People, Person, PersonStatus, RefreshKeys, Session,
    SessionPolicy, Sessions, sessions::start_session,
};

/// A person who is to be known from now on. The password was found unguessable and hashed before the unit began.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// The mailbox by which they sign in.
    pub email: EmailAddress,
    /// What they are called.
    pub name: Name,
    /// Their password's hash.
    pub hash: PasswordHash,
}

/// Register a person together with a tenant of their own.
#[derive(Debug, Clone)]
pub struct Register {
    /// Who.
    pub person: NewPerson,
    /// What the tenant is to be called.
    pub tenant_name: Name,
    /// The tenant's slug; without one it is derived from the name.
    pub tenant_slug: Option<Slug>,
}

impl Register {
    /// The events that registering leaves.
    pub const EVENTS: &'static [Action] =
        &[Action::UserRegistered, Action::TenantCreated, Action::MembershipCreated, Action::SessionStarted];
}

/// What registering has made.
#[derive(Debug)]
pub struct Registered {
    /// The person.
    pub person: Person,
    /// Their tenant.
    pub tenant: Tenant,
    /// Their first session, in that tenant.
    pub session: Session,
}

/// What registering writes to.
pub trait Registering: Founding + People + Credentials + Sessions + Authorities {}
impl<T: Founding + People + Credentials + Sessions + Authorities + ?Sized> Registering for T {}

/// Makes the person, the tenant with its default roles and the owner, and a session in it.
pub async fn register(
    unit: &mut (impl Registering + ?Sized),
    actor: &Actor,
    world: &World,
    keys: &dyn RefreshKeys,
    policy: &SessionPolicy,
    command: Register,
) -> Result<Registered, IdentityError> {
    let person = insert_person(unit, actor, world, command.person).await?;
    let actor = actor.known_as(person.id, person.name.as_str());
    let founding = FoundTenant {
        name: command.tenant_name,
        slug: command.tenant_slug,
        plan: Plan::first(),
        owner: person.id,
        owner_name: person.name.clone(),
        owner_keys: person.member_keys(),
    };
    let tenant = found_tenant(unit, &actor, world, founding).await?;
    let session = start_session(unit, &actor.within(Some(tenant.id)), world, keys, policy).await?;
    Ok(Registered { person, tenant, session })
}

/// Makes a person with a password and leaves `user.registered`, which belongs to no tenant.
pub async fn insert_person(
    unit: &mut (impl People + Credentials + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    new: NewPerson,
) -> Result<Person, IdentityError> {
    let now = world.now();
    let person = Person {
        id: UserId::new(world),
        email: new.email,
        email_verified_at: None,
        name: new.name,
        status: PersonStatus::Enabled,
        version: 1,
        created_at: now,
    };
    unit.insert_person(&person).await?;
    let credential = Credential { user: person.id, hash: new.hash, version: 1, changed_at: now };
    unit.insert_credential(&credential).await?;
    let actor = match actor.user {
        None if actor.kind == tenantry_kernel::ActorKind::User => actor.known_as(person.id, person.name.as_str()),
        _ => actor.clone(),
    };
    let event = Event::new(world, &actor.within(None), Action::UserRegistered)
        .target(person.id, Some(person.name.as_str()))
        .set_personal("email", person.email.as_str())
        .set_personal("name", person.name.as_str());
    unit.append_event(event).await?;
    Ok(person)
}
