//! Erasing a person: what they were called, how they were reached and from where they came is gone for good, while what
//! was done stays in the journal under their id.

use async_trait::async_trait;
use tenantry_kernel::{
    Action, Actor, Authorities, Command, EmailAddress, Event, EventId, Journal, Name, Requirement, StoreError,
    TenantId, UserId, World, authorize,
};
use tenantry_tenancy::{Memberships, vocabulary::MEMBERSHIP_REMOVED};
use uuid::Uuid;

use crate::{
    IdentityError, People, Person, PersonStatus,
    people::{lock_tenants_of, require_no_other_tenant},
    vocabulary::USER_ERASED,
};

/// By what entries of the journal are a person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// The person did it.
    Actor(UserId),
    /// It was done to this: the person, or an invitation of theirs.
    Target(Uuid),
}

/// Where a person's data is erased. Only for System units.
#[async_trait]
pub trait Erasure: Send {
    /// Deletes password, links, sessions, memberships, remembered answers, open registrations of the address, and every
    /// job and anybody's remembered answer that names it. In every invitation to the address another takes its place, by
    /// which [`Erasure::erase_invitations`] finds it; what is open of them is withdrawn.
    async fn erase_account(&mut self, person: &Person, by: &EmailAddress) -> Result<(), StoreError>;

    /// The first tenant after that one, in order of id.
    async fn next_tenant(&mut self, after: Option<TenantId>) -> Result<Option<TenantId>, StoreError>;

    /// Puts that address in the place of the person's in those of the tenant's invitations that the person has accepted,
    /// withdraws what is open of them, and returns their ids and those of the invitations that have it already.
    async fn erase_invitations(
        &mut self,
        tenant: TenantId,
        person: UserId,
        by: &EmailAddress,
    ) -> Result<Vec<Uuid>, StoreError>;

    /// Deletes the personal parts of the next entries after that one in a tenant's log, or in that of what belongs to no
    /// tenant, and their salts: seals stay valid, since they cover commitments only. Returns how many parts there were,
    /// and the last entry that was looked at, if there may be more.
    async fn erase_parts(
        &mut self,
        log: Option<TenantId>,
        trace: Trace,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<(u64, Option<EventId>), StoreError>;
}

/// The address that stands where an erased person's was. No mail can reach it (RFC 6761, 6.4).
pub fn erased_address(person: UserId) -> Result<EmailAddress, IdentityError> {
    let address = format!("erased-{person}@erased.invalid");
    EmailAddress::parse(&address).map_err(|error| StoreError::Failed(Box::new(error)).into())
}

/// Erase a person.
#[derive(Debug, Clone, Copy)]
pub struct ErasePerson {
    /// The person.
    pub user: UserId,
    /// Whether a tenant may be left without an active owner.
    pub force: bool,
}

impl Command for ErasePerson {
    const REQUIRES: Requirement = Requirement::Operator;
    const EVENTS: &'static [Action] = &[USER_ERASED, MEMBERSHIP_REMOVED];
}

/// Takes a person out of every tenant and erases their account, by an operator. What the journal says of them is erased
/// after it, log by log: [`Erasure::erase_invitations`] and [`Erasure::erase_parts`]. Without `force` it fails with
/// [`TenancyError::LastOwner`](tenantry_tenancy::TenancyError::LastOwner) when a tenant would be left without an active
/// owner. Whoever was erased already is left as they are.
pub async fn erase_person(
    unit: &mut (impl People + Erasure + Memberships + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: ErasePerson,
) -> Result<(), IdentityError> {
    authorize::<ErasePerson>(unit, actor, world).await?;
    let ErasePerson { user: id, force } = command;
    let tenants = lock_tenants_of(unit, id, force).await?;
    let before = unit.lock_person(id).await?.ok_or(IdentityError::NotFound)?;
    let address = erased_address(id)?;
    if before.email == address {
        return Ok(());
    }
    require_no_other_tenant(unit, id, &tenants).await?;
    let name = Name::parse("Erased").map_err(|error| StoreError::Failed(Box::new(error)))?;
    let after = Person {
        email: address.clone(),
        email_verified_at: None,
        name,
        status: PersonStatus::Disabled,
        ..before.clone()
    };
    unit.erase_account(&before, &address).await?;
    unit.update_person(&after).await?;
    unit.user_authority_changed(id).await?;
    for tenant in &tenants {
        let log = actor.within(Some(*tenant));
        unit.append_event(Event::new(world, &log, MEMBERSHIP_REMOVED).target(id, None)).await?;
        unit.append_event(Event::new(world, &log, USER_ERASED).target(id, None)).await?;
    }
    if tenants.is_empty() {
        unit.append_event(Event::new(world, actor, USER_ERASED).target(id, None)).await?;
    }
    Ok(())
}
